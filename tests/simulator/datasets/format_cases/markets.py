"""Files of more shops, and of jobs, made up."""

from __future__ import annotations

from tests.simulator.datasets.format_cases.case import Case, Foreign

ANN, BEN = "0a" * 32, "f3" * 32
IJCAI_15 = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n"
IJCAI_16 = "use_ID,sel_ID,ite_ID,cat_ID,act_ID,time\n"
MOBILE = "user_id,item_id,behavior_type,user_geohash,item_category,time\n"

CASES = [
    Case(
        "otto",
        "OTTO train.jsonl or test.jsonl",
        '{"session":4,"events":[{"aid":11,"ts":1659304800500,"type":"clicks"},'
        '{"aid":12,"ts":1659304800025,"type":"carts"},{"aid":11,"ts":1659304800025,"type":"orders"}]}\n'
        '{"session":5,"events":[]}\n',
        [
            ("4", "12", 1_659_304_800_025, "cart", None),
            ("4", "11", 1_659_304_800_025, "purchase", None),
            ("4", "11", 1_659_304_800_500, "click", None),
        ],
        {
            '{"session":6,"events":[{"aid":11,"ts":1659304800,"type":"clicks"}]}\n': "are the times in seconds",
            '{"session":6,"events":[{"aid":11,"ts":1659304800025,"type":"looks"}]}\n': "line 3: type is 'looks'",
            '{"session":6,"events":[{"ts":1659304800025,"type":"clicks"}]}\n': "line 3: aid (item_id) is None",
            '{"session":6,"events":[{"aid":11,"ts":16593': "line 3: Input data was truncated",
            '{"session":6,"events":7}\n': "not_json",
        },
    ),
    Case(
        "hm",
        "H&M transactions_train.csv",
        "t_dat,customer_id,article_id,price,sales_channel_id\n"
        f"2018-09-21,{ANN},0663713001,0.0508,2\n2018-09-20,{BEN},0541518023,0.0304,1\n",
        [
            (BEN, "0541518023", 1_537_401_600_000, "purchase", None),
            (ANN, "0663713001", 1_537_488_000_000, "purchase", None),
        ],
        {
            f"20.09.2018,{BEN},0541518023,0.0304,1\n": "line 4: t_dat (timestamp) is '20.09.2018'",
            "2018-09-20,ben,0541518023,0.0304,1\n": "line 4: customer_id is 'ben'",
            f"2018-09-20,{BEN},5.4e8,0.0304,1\n": "line 4: article_id is '5.4e8'",
        },
    ),
    Case(
        "tmall",
        "Tmall of IJCAI 2015, user_log_format1.csv",
        IJCAI_15 + "7,501,12,88,,829,0\n7,502,12,88,3,1111,2\n8,501,12,88,,0601,3\n",
        [
            ("8", "501", 1_401_580_800_000, "favorite", None),
            ("7", "501", 1_409_270_400_000, "click", None),
            ("7", "502", 1_415_664_000_000, "purchase", None),
        ],
        {
            "7,501,12,88,,230,0\n": "line 5: day (timestamp) is '20140230'",
            "7,501,12,88,,1409270400,0\n": "line 5: time_stamp is '1409270400'",
            "7,501,12,88,,829,9\n": "line 5: action_type is '9', not one of 0, 1, 2, 3",
        },
        {},
        {"501": "cat_12", "502": "cat_12"},
    ),
    Case(
        "tmall",
        "Tmall of IJCAI 2016, ijcai2016_taobao.csv",
        IJCAI_16 + "7,88,501,12,0,20151011\n7,88,502,13,1,20150911\n",
        [("7", "502", 1_441_929_600_000, "purchase", None), ("7", "501", 1_444_521_600_000, "click", None)],
        {"7,88,501,12,0,829\n": "line 4: time is '829'", "7,88,501,12,2,20151011\n": "line 4: act_ID is '2'"},
        {},
        {"501": "cat_12", "502": "cat_13"},
    ),
    Case(
        "tianchi-mobile",
        "Tianchi tianchi_mobile_recommend_train_user.csv",
        MOBILE + "9,61,1,,40,2014-12-06 02\n9,62,4,9q8yy,41,2014-12-05 23\n",
        [("9", "62", 1_417_791_600_000, "purchase", None), ("9", "61", 1_417_802_400_000, "view", None)],
        {
            "9,61,1,,40,2014-12-06\n": "line 4: time is '2014-12-06'",
            "9,61,1,,40,2014-12-06 25\n": "a time that cannot be read",
            "9,61,5,,40,2014-12-06 02\n": "line 4: behavior_type is '5'",
        },
        {},
        {"61": "cat_40", "62": "cat_41"},
    ),
    Case(
        "fliggy",
        "Fliggy user_item_behavior_history.csv",
        "5,50,clk,1511600009\n5,51,pay,1511600001\n",
        [("5", "51", 1_511_600_001_000, "purchase", None), ("5", "50", 1_511_600_009_000, "click", None)],
        {"5,50,5.0,1511600009\n": "line 3: behaviour is '5.0'", "5,50,clk,1511600009000\n": "are the times in milli"},
    ),
    Case(
        "xing-2016",
        "XING interactions.csv",
        "user_id\titem_id\tinteraction_type\tcreated_at\n7\t21\t1\t1440000009\n7\t22\t4\t1440000003\n",
        [("7", "22", 1_440_000_003_000, "delete", None), ("7", "21", 1_440_000_009_000, "click", None)],
        {"7\t21\t7\t1440000009\n": "line 4: interaction_type is '7'", "NULL\t21\t1\t1440000009\n": "no user"},
    ),
    Case(
        "yoochoose",
        "Yoochoose yoochoose-buys.dat",
        "11,2014-05-01T00:00:01.250Z,300,1046,2\n12,2014-05-01T00:00:00.000Z,301,0,0\n",
        [("12", "301", 1_398_902_400_000, "purchase", "12"), ("11", "300", 1_398_902_401_250, "purchase", "11")],
        {"11,soon,300,1046,2\n": "line 3: time (timestamp) is 'soon'"},
    ),
    Case(
        "diginetica",
        "Diginetica train-purchases.csv",
        "sessionId;userId;timeframe;eventdate;ordernumber;itemId\n8;NA;1500;2016-02-02;3;80\n9;55;20;2016-02-02;4;81\n",
        [("55", "81", 1_454_371_200_020, "purchase", "9"), ("session-8", "80", 1_454_371_201_500, "purchase", "8")],
        {"8;NA;1500;soon;3;80\n": "line 4: soon and 1500"},
    ),
]

FOREIGN = [
    Foreign("hm", "customer_id,FN,Active,club_member_status\n" + ANN + ",,,ACTIVE\n", "customers.csv"),
    Foreign("tmall", "user_id,age_range,gender\n7,3,0\n", "user_info"),
    Foreign("tmall", "user_id,age_range,gender,merchant_id,label,activity_log\n7,3,0,88,1,501:12:3:829:0\n", "packed"),
    Foreign("tianchi-mobile", "item_id,item_geohash,item_category\n61,,40\n", "train_item"),
    Foreign("xing-2016", "user_id\tyear\tweek\titems\n7\t2015\t44\t21,22\n", "impressions.csv"),
    Foreign("xing-2016", "id\tjobroles\tcareer_level\n7\t1,2\t3\n", "users.csv"),
    Foreign("diginetica", "queryId;timeframe;itemId\n1;20;80\n", "another file of Diginetica"),
    Foreign("diginetica", "itemId;categoryId\n80;5\n", "product-categories"),
]
