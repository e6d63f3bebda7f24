"""Files of shops, made up."""

from __future__ import annotations

from tests.simulator.datasets.format_cases.case import Case, Foreign

CASES = [
    Case(
        "amazon-ratings",
        "Amazon 2014 ratings",
        "AB,B001,5.0,1300060800\nAC,B002,1.0,1299974400\n",
        [("AC", "B002", 1_299_974_400_000, "review", None), ("AB", "B001", 1_300_060_800_000, "review", None)],
        {
            "AB,B001,5.0,\n": "no time (missing_time), the first is log, line 3: timestamp is ''",
            "AB,B001,five,1300060800\n": "line 3: rating is 'five'",
            "AB,B001,5.0,1300060800,\n": "another number of fields (fields), the first is log, line 3: AB,B001,5.0,",
            "AB,B001,5.0,13000\n": "line 3: timestamp is '13000'",
        },
    ),
    Case(
        "amazon-ratings",
        "Amazon 2018 ratings",
        "0205000001,A1QX,5.0,1300060800\nB00X,A2QX,1.0,1299974400\n",
        [
            ("A2QX", "B00X", 1_299_974_400_000, "review", None),
            ("A1QX", "0205000001", 1_300_060_800_000, "review", None),
        ],
        {"0205000001,,5.0,1300060800\n": "line 3: user_id is ''"},
    ),
    Case(
        "amazon-ratings",
        "Amazon 2023 ratings",
        "user_id,parent_asin,rating,timestamp\nAQ,B01,5.0,1588687728923\nAQ,B02,1.0,1588687728922\n",
        [("AQ", "B02", 1_588_687_728_922, "review", None), ("AQ", "B01", 1_588_687_728_923, "review", None)],
        {"AQ,B01,5.0,1588687728\n": "are the times in seconds, not milliseconds?"},
    ),
    Case(
        "amazon-ratings",
        "Amazon 2023 ratings without header",
        "AQ,B01,5.0,1588687728923\n",
        [("AQ", "B01", 1_588_687_728_923, "review", None)],
        {"AQ,B01,5.0,yesterday\n": "line 2: timestamp is 'yesterday'"},
    ),
    Case(
        "amazon-reviews",
        "Amazon 2014 or 2018 reviews",
        '{"reviewerID": "AB", "asin": "B001", "helpful": [0, 1], "overall": 5.0, "unixReviewTime": 1300060800}\n',
        [("AB", "B001", 1_300_060_800_000, "review", None)],
        {
            '{"reviewerID": "AB", "unixReviewTime": 1300060800}\n': "no item (missing_item), the first is log, line 2",
            '{"reviewerID": "AB", "asin": "B", "unixReviewTime": 100000000000000000}\n': "is 10000000000000000",
            '{"reviewerID": "AB", "asin": "B", "unixReviewTime": 1300060800, "x": ' + "[" * 9999 + "\n": "too deeply",
            '{"reviewerID": ["AB"], "asin": "B", "unixReviewTime": 1300060800}\n': "not_json",
            '{"reviewerID": "\\ud83d", "asin": "B", "unixReviewTime": 1300060800}\n': "log, line 2",
            '{"reviewerID": "AB", "asin": "B", "unixReviewTime": ' + "9" * 400 + "}\n": "log, line 2",
            '{"reviewerID": "AB", "as\n': "line 2: Input data was truncated",
        },
    ),
    Case(
        "amazon-reviews",
        "Amazon 2023 reviews",
        '{"rating": 5.0, "asin": "B9", "parent_asin": "B1", "user_id": "AQ", "timestamp": 1588687728923}\n',
        [("AQ", "B1", 1_588_687_728_923, "review", None)],
        {'{"asin": "B9", "parent_asin": "B1", "user_id": "AQ", "timestamp": 1588687728}\n': "are the times in seconds"},
    ),
    Case(
        "diginetica",
        "Diginetica train-item-views.csv with names of SR-GNN",
        "session_id;user_id;item_id;timeframe;eventdate\n8;NA;80;1500;2016-02-02\n9;55;81;20;2016-02-02\n",
        [("55", "81", 1_454_371_200_020, "view", "9"), ("session-8", "80", 1_454_371_201_500, "view", "8")],
        {
            "8;NA;80;1500;soon\n": "line 4: soon and 1500",
            ";NA;80;1500;2016-02-02\n": "(missing_user), the first is log, line 4",
        },
    ),
    Case(
        "diginetica",
        "Diginetica train-item-views.csv",
        "sessionId;userId;itemId;timeframe;eventdate\n8;NA;80;1500;2016-02-02\n7;NULL;80;1;2016-02-02\n6;;80;2;2016-02-02\n",
        [
            ("session-7", "80", 1_454_371_200_001, "view", "7"),
            ("session-6", "80", 1_454_371_200_002, "view", "6"),
            ("session-8", "80", 1_454_371_201_500, "view", "8"),
        ],
        {
            "8;NA;;1500;2016-02-02\n": "line 5: itemId (item_id) is ''",
            "8;NA;80;999999999999999999;2016-02-02\n": "line 5: 2016-02",
        },
    ),
    Case(
        "retailrocket",
        "Retailrocket events.csv",
        "timestamp,visitorid,event,itemid,transactionid\n1430000000500,4,view,40,\n1430000000400,4,transaction,41,77.0\n",
        [("4", "41", 1_430_000_000_400, "purchase", None), ("4", "40", 1_430_000_000_500, "view", None)],
        {
            "yesterday,4,view,40,\n": "line 4: timestamp is 'yesterday'",
            "1430000000500,4,look,40,\n": "line 4: event is 'look', not one of view, addtocart, transaction",
        },
    ),
    Case(
        "taobao",
        "Taobao UserBehavior.csv",
        "5,50,7,buy,1511600009\n5,51,7,pv,1511600001\n6,50,8,pv,-3\n",
        [("5", "51", 1_511_600_001_000, "view", None), ("5", "50", 1_511_600_009_000, "purchase", None)],
        {"5,50,7,look,1511600009\n": "line 4: behaviour is 'look', not one of pv, cart, fav, buy"},
        {"time_out_of_range": 1},
        {"50": "cat_7", "51": "cat_7"},
    ),
    Case(
        "yoochoose",
        "Yoochoose yoochoose-clicks.dat or -test.dat",
        "11,2014-05-01T00:00:01.250Z,300,0\n12,2014-05-01T00:00:00.000Z,301,S\n",
        [("12", "301", 1_398_902_400_000, "click", "12"), ("11", "300", 1_398_902_401_250, "click", "11")],
        {
            "11,soon,300,0\n": "line 3: time (timestamp) is 'soon'",
            "11,2014-05-01T00:00:01.250Z,300\n": "line 3: 11,2014",
        },
        {},
        {"301": "cat_S"},
    ),
]

FOREIGN = [
    Foreign("retailrocket", "timestamp,itemid,property,value\n1430000000500,4,available,1\n", "item_properties"),
    Foreign("retailrocket", "categoryid,parentid\n1,2\n", "category_tree"),
    Foreign("amazon-reviews", '{"asin": "B001", "title": "A thing", "price": 3.5}\n', "metadata of items"),
    Foreign("amazon-ratings", "5,50,clk,1511600009\n", "--format fliggy"),
    Foreign("amazon-ratings", "11,2014-05-01T00:00:01.250Z,300,0\n", "--format yoochoose"),
]
