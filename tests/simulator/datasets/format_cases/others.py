"""Files of reviews, ratings, places and news, made up."""

from __future__ import annotations

from tests.simulator.datasets.format_cases.case import Case, Foreign

GLOBO_HEADER = (
    "user_id,session_id,session_start,session_size,click_article_id,click_timestamp,"
    "click_environment,click_deviceGroup,click_os,click_country,click_region,click_referrer_type\n"
)
_RATINGS = [("9", "10", 1_000_000_003_000, "rating", None), ("9", "20", 1_000_000_007_000, "rating", None)]

CASES = [
    Case(
        "movielens",
        "MovieLens 1M or 10M ratings.dat",
        "9::20::5::1000000007\n9::10::4.5::1000000003\n",
        [*_RATINGS],
        {
            "9::20::5\n": "line 3: 9::20::5",
            "9::20::7::1000000007\n": "line 3: rating is '7'",
            "9::20::5::1000\n": "line 3: timestamp is '1000'",
            "9::20::5::1000000007000\n": "are the times in milliseconds, not seconds?",
            "9::20::5::1400000123000000000\n": "are the times in nanoseconds, not seconds?",
        },
    ),
    Case(
        "movielens",
        "MovieLens 100K u.data",
        "9\t20\t5\t1000000007\n9\t10\t4\t1000000003\n",
        [*_RATINGS],
        {"9\t20\t\t1000000007\n": "line 3: rating is ''"},
    ),
    Case(
        "movielens",
        "MovieLens ratings.csv",
        "userId,movieId,rating,timestamp\n9,20,5.0,1000000007\n9,10,0.5,1000000003\n",
        [*_RATINGS],
        {"9,20,5.0,1000000007,\n": "line 4: 9,20,5.0"},
    ),
    Case(
        "gowalla",
        "Gowalla of Liu et al.",
        "3\t33\t1250000060.0\n3\t34\t1250000000.0\n",
        [("3", "34", 1_250_028_800_000, "checkin", None), ("3", "33", 1_250_028_860_000, "checkin", None)],
        {
            "3\t\t1250000060.0\n": "line 3: place (item_id) is ''",
            "3\t33\tsoon\n": "line 3: soon",
            "3\t33\t\n": "no time",
        },
    ),
    Case(
        "gowalla",
        "Gowalla check-ins, seconds in UTC",
        "3\t33\t1250000060\n",
        [("3", "33", 1_250_000_060_000, "checkin", None)],
        {"3\t33\t17\n": "line 2: time (timestamp) is '17'"},
    ),
    Case(
        "gowalla",
        "Gowalla of SNAP, loc-gowalla_totalCheckins.txt",
        "0\t2010-10-19T23:55:27Z\t30.25\t-97.75\t22847\n0\t2010-10-18T22:17:43Z\t30\t-97.5\t420315\n",
        [
            ("0", "420315", 1_287_440_263_000, "checkin", None),
            ("0", "22847", 1_287_532_527_000, "checkin", None),
        ],
        {"0\tsoon\t30.25\t-97.75\t22847\n": "line 3: time (timestamp) is 'soon'"},
    ),
    Case(
        "globo",
        "Globo.com hourly clicks",
        GLOBO_HEADER + "2,99,1500000000000,2,700,1500000003210,4,3,2,1,20,2\n",
        [("2", "700", 1_500_000_003_210, "click", "99")],
        {"2,99,1500000000000,2,700,x,4,3,2,1,20,2\n": "line 3: click_timestamp (timestamp) is 'x'"},
    ),
    Case(
        "yelp",
        "Yelp yelp_academic_dataset_review.json",
        '{"review_id":"r","user_id":"u","business_id":"b","stars":4.0,"date":"2018-01-02 03:04:05"}\n\n'
        '{"review_id":"s","user_id":"u","business_id":"c","stars":4,"date":"2017-01-02","text":"Café\\n"}\n',
        [("u", "c", 1_483_315_200_000, "review", None), ("u", "b", 1_514_862_245_000, "review", None)],
        {'{"user_id":"u","business_id":"b","stars":1,"date":"then"}\n': "line 4: date (timestamp) is 'then'"},
    ),
    Case(
        "steam",
        "Steam australian_user_reviews.json",
        "{'user_id': 'kim', 'reviews': [{'posted': 'Posted May 1, 2014.', 'item_id': '440', 'recommend': True, "
        "'review': \"It's fine\"}, {'posted': 'Posted June 2.', 'item_id': '441'}]}\n"
        "{'user_id': 'lee', 'reviews': []}\n",
        [("kim", "440", 1_398_902_400_000, "review", None)],
        {
            "{'user_id': 'kim'}\n": "line 3: {'user_id': 'kim'}",
            "{'user_id': None, 'reviews': [{'posted': 'Posted May 1, 2014.', 'item_id': '4'}]}\n": "no user",
            "{'user_id': 'kim', 'reviews': [{'posted': 'Posted Mai 1, 2014.', 'item_id': '4'}]}\n": "Posted Mai 1",
            "{'user_id': '\\ud83d', 'reviews': [{'posted': 'Posted May 1, 2014.', 'item_id': '4'}]}\n": "unusable_id",
            "{'user_id': " + "(" * 9999 + "\n": "not_literal",
            "{'user_id': print(), 'reviews': []}\n": "not_literal",
        },
        {"no_year": 1},
    ),
    Case(
        "steam",
        "Steam steam_reviews.json",
        "{u'username': u'kim', u'product_id': u'440', u'date': u'2014-05-01', u'text': u'It\\'s \"it\"'}\n",
        [("kim", "440", 1_398_902_400_000, "review", None)],
        {"{u'username': u'kim', u'product_id': u'440'}\n": "not_literal"},
    ),
]

FOREIGN = [
    Foreign("movielens", "9::20::a tag::1000000007\n9::21::5::1000000007\n9::21::best::1000000007\n", "MovieLens tags"),
    Foreign("movielens", "userId,movieId,tag,timestamp\n9,20,a,1000000007\n", "MovieLens tags"),
    Foreign("movielens", "1::Toy (1995)::Comedy\n2::It: the 2nd (1995)::Drama\n", "MovieLens movies"),
    Foreign("movielens", "1::F::1::10::48067\n", "MovieLens users"),
    Foreign("gowalla", "3\t33\t4\n3\t34\t17\n", "time"),
    Foreign("gowalla", "3\t33.25\t-4.75\n3\t34.5\t-17.5\n", "time"),
    Foreign(
        "globo", "article_id,category_id,created_at_ts,publisher_id,words_count\n0,0,1513144419000,0,168\n", "articles"
    ),
    Foreign(
        "yelp",
        '{"user_id":"u","business_id":"b","text":"t","date":"2018-01-02 03:04:05","compliment_count":0}\n',
        "tips",
    ),
    Foreign("yelp", '{"business_id":"b","name":"n","stars":4.5,"review_count":3}\n', "dataset_business"),
    Foreign("yelp", '{"business_id":"b","date":"2018-01-02 03:04:05, 2018-01-02 03:04:06"}\n', "check-ins"),
    Foreign("steam", "{'user_id': 'kim', 'items_count': 1, 'items': [{'item_id': '10'}]}\n", "users_items"),
]
