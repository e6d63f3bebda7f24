"""Files of news and videos, made up."""

from __future__ import annotations

import json

from tests.simulator.datasets.format_cases.case import Case, Foreign

RAND_HEADER = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n"
)
REC_HEADER = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"


def page(user: str, time: int, **rest: str) -> str:
    """A line of Adressa."""
    seen = {"eventId": time, "url": "http://adressa.no", "userId": user, "time": time, "profile": [{"item": "0"}]}
    return json.dumps(seen | rest) + "\n"


CASES = [
    Case(
        "mind",
        "MIND behaviors.tsv",
        "1\tU7\t11/15/2019 10:22:32 AM\tN1 N2\tN8-1 N9-0\n"
        "2\tU8\t11/9/2019 1:05:06 PM\t\tN8-0\n"
        "3\tU9\t11/22/2019 12:00:00 AM\tN1\tN7 N8\n",
        [
            ("U8", "N8", 1_573_304_706_000, "impression", None),
            ("U7", "N8", 1_573_813_352_000, "click", None),
            ("U7", "N9", 1_573_813_352_000, "impression", None),
            ("U9", "N7", 1_574_380_800_000, "impression", None),
            ("U9", "N8", 1_574_380_800_000, "impression", None),
        ],
        {
            "4\tU7\t11/15/2019 22:22:32\tN1\tN8-1\n": "line 4: time (timestamp) is '11/15/2019 22:22:32'",
            "4\tU7\t11/15/2019 10:22:32 AM\tN1\t\n": "line 4: news (item_id) is ''",
            "4\tU7\t11/15/2019 10:22:32 AM\tN1\n": "line 4: 4 U7",
            "4\t\t11/15/2019 10:22:32 AM\tN1\tN8-1\n": "no user",
        },
    ),
    Case(
        "adressa",
        "Adressa, a file a day",
        page("cx:1", 1_483_225_205, id="a1", category1="nyheter|trondheim", title="Ny bro")
        + page("cx:1", 1_483_225_203)
        + page("cx:2", 1_483_225_201, id="a2"),
        [
            ("cx:2", "a2", 1_483_225_201_000, "view", None),
            ("cx:1", "a1", 1_483_225_205_000, "view", None),
        ],
        {
            '{"eventId":1,"url":"u","time":1483225203,"id":"a"}\n': "line 4: userId (user_id) is None",
            page("cx:1", 1_483_225_203_000, id="a1"): "are the times in milliseconds, not seconds?",
        },
        {"missing_item": 1},
        {"a1": "nyheter|trondheim"},
    ),
    Case(
        "kuairec",
        "KuaiRec big_matrix.csv or small_matrix.csv",
        REC_HEADER
        + "3,70,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.27\n"
        + "3,71,100,10867,2020-07-05 00:07:00.5,20200705.0,1593878820.5,0.01\n",
        [("3", "71", 1_593_878_820_500, "view", None), ("3", "70", 1_593_878_903_438, "view", None)],
        {
            "3,70,1,1,2020-07-05 00:08:23.438,20200705,1593878903438,1\n": "are the times in milliseconds",
            ",70,1,1,2020-07-05 00:08:23.438,20200705,1593878903.438,1\n": "line 4: user_id is ''",
            "3,70,1,1,2020-07-05 00:08:23.438,20200705,159387\n": "line 4: 3,70,1,1",
        },
    ),
    Case(
        "kuairand",
        "KuaiRand log_standard or log_random",
        RAND_HEADER
        + "5,80,20220421,400,1650485801301,1,0,0,0,0,0,1,151024,104400,0,0,0,0,1\n"
        + "5,81,20220421,400,1650485800000,0,0,0,0,0,0,0,0,104400,0,0,0,0,1\n",
        [("5", "81", 1_650_485_800_000, "impression", None), ("5", "80", 1_650_485_801_301, "click", None)],
        {
            "5,80,20220421,400,1650485801,1,0,0,0,0,0,1,1,1,0,0,0,0,1\n": "are the times in seconds, not milliseconds?",
            "5,80,20220421,400,1650485801301,maybe,0,0,0,0,0,1,1,1,0,0,0,0,1\n": "line 4: is_click is 'maybe'",
        },
    ),
]

FOREIGN = [
    Foreign("mind", 'N8\tnews\tnewsworld\tA "thing", said\tMore\thttp://x\t[]\t[{"Label": "X"}]\n', "MIND news.tsv"),
    Foreign("mind", "Q1\t0.1\t-0.2\t0.3\t0.4\t0.5\t0.6\n", "embeddings"),
    Foreign("kuairec", 'video_id,feat\n70,"[27, 9]"\n71,[]\n', "item_categories"),
    Foreign("kuairec", "video_id,date,author_id,video_type\n70,20200705,3,NORMAL\n", "item_daily_features"),
    Foreign("kuairand", "video_id,counts,show_cnt\n70,3,4.5\n", "video_features_statistic"),
    Foreign("kuairand", "user_id,user_active_degree,is_lowactive_period\n3,full_active,0\n", "user_features"),
]
