"""Files of music, books, places and reviews, made up."""

from __future__ import annotations

import json

from tests.simulator.datasets.format_cases.case import Case, Foreign

VENUE, OTHER = "49bbd6c0f964a520f4531fe7", "4a43c0aef964a520c6a61fe3"
CITY = "userId,venueId,venueCategoryId,venueCategory,latitude,longitude,timezoneOffset,utcTimestamp\n"


def book(user: str, item: str, added: str) -> str:
    """A line of Goodreads."""
    shelved = {"user_id": user, "book_id": item, "review_id": "r", "is_read": True, "rating": 5}
    return json.dumps(shelved | {"date_added": added, "date_updated": added, "read_at": "", "started_at": ""}) + "\n"


def play(time: int, user: int, track: int, blank: str = "\t") -> str:
    """A line of 30Music."""
    linked = f'{{"subjects":[{{"type":"user","id":{user}}}], "objects":[{{"type":"track","id":{track}}}]}}'
    return f'event.play\t{time % 1000}\t{time}\t{{"playtime":176}}{blank}{linked}\n'


PLAYS = [("4", "81", 1_390_000_001_000, "play", None), ("4", "80", 1_390_000_009_000, "play", None)]
CHECKINS = [("470", VENUE, 1_333_476_009_000, "checkin", None), ("3", OTHER, 1_333_476_025_000, "checkin", None)]

CASES = [
    Case(
        "lastfm-1k",
        "Last.fm userid-timestamp-artid-artname-traid-traname.tsv",
        'user_000004\t2009-04-08T01:53:56Z\tm1\tUnderworld\tt2\tBoy, Boy, "Boy\n'
        'user_000004\t2009-04-08T01:50:00Z\t\tA "B\t\tOne\n',
        [
            ("user_000004", 'A "B - One', 1_239_155_400_000, "play", None),
            ("user_000004", "t2", 1_239_155_636_000, "play", None),
        ],
        {
            "user_000004\t2109-04-08T01:53:56Z\tm1\tUnderworld\tt2\tX\n": "time_out_of_range",
            "user_000004\t2009-04-08T01:53:56Z\tm1\t\t\tX\n": "no item",
            "user_000004\t2009-04-08T01:53:56Z\tm1\tU\n": "line 3: user_000004",
        },
        {},
        {'A "B - One': 'A "B', "t2": "Underworld"},
    ),
    Case(
        "goodreads",
        "Goodreads interactions or reviews with dates",
        book("8a", "55", "Fri Aug 25 13:55:02 -0700 2017") + book("8a", "56", "Mon Jan 09 00:00:00 +0100 2017"),
        [("8a", "56", 1_483_916_400_000, "shelve", None), ("8a", "55", 1_503_694_502_000, "shelve", None)],
        {
            book("8a", "55", "2017-08-25"): "line 3: date_added (timestamp) is '2017-08-25'",
            book("8a", "55", ""): "no time",
            book("", "55", "Fri Aug 25 13:55:02 -0700 2017"): "no user",
        },
    ),
    Case(
        "30music",
        "30Music events.idomaar",
        play(1_390_000_009, 4, 80) + play(1_390_000_001, 4, 81),
        [*PLAYS],
        {
            "event.play\t1\t1390000009\t{}\t{}\n": "no user",
            play(1_390_000_009, 4, 80).replace("event.play", "event.love"): "line 3: kind is 'event.love'",
        },
    ),
    Case(
        "30music",
        "30Music events.idomaar, a blank between its JSON",
        play(1_390_000_009, 4, 80, " ") + play(1_390_000_001, 4, 81, " "),
        [*PLAYS],
        {"event.play\t1\t1390000009\n": "line 3: event.play 1"},
    ),
    Case(
        "foursquare",
        "Foursquare dataset_TSMC2014_NYC.txt or _TKY.txt",
        f"3\t{OTHER}\t4bf5\tBridge\t40.6\t-74.0\t-240\tTue Apr 03 18:00:25 +0000 2012\n"
        f"470\t{VENUE}\t4bf5\tCafé\t40.7\t-74.0\t-240\tTue Apr 03 18:00:09 +0000 2012\n",
        [*CHECKINS],
        {
            f"3\t{OTHER}\t4bf5\tBridge\t40.6\t-74.0\t-240\t1333476025\n": "line 3: time (timestamp) is '1333476025'",
            f"\t{OTHER}\t4bf5\tBridge\t40.6\t-74.0\t-240\tTue Apr 03 18:00:25 +0000 2012\n": "no user",
        },
        {},
        {OTHER: "Bridge", VENUE: "Café"},
    ),
    Case(
        "foursquare",
        "Foursquare TSMC 2014 of Kaggle",
        CITY
        + f"3,{OTHER},4bf5,Bridge,40.6,-74.0,-240,Tue Apr 03 18:00:25 +0000 2012\n"
        + f"470,{VENUE},4bf5,Café,40.7,-74.0,-240,Tue Apr 03 18:00:09 +0000 2012\n",
        [*CHECKINS],
        {f"3,{OTHER},4bf5,Bridge,40.6,-74.0,-240,Tue Apr 03\n": "line 4: utcTimestamp (timestamp) is 'Tue Apr 03'"},
        {},
        {OTHER: "Bridge", VENUE: "Café"},
    ),
    Case(
        "foursquare",
        "Foursquare dataset_TIST2015_Checkins.txt",
        f"3\t{OTHER}\tTue Apr 03 18:00:25 +0000 2012\t-240\n470\t{VENUE}\tTue Apr 03 18:00:09 +0000 2012\t240\n",
        [*CHECKINS],
        {f"3\t{OTHER}\tTue Apr 03\t-240\n": "line 3: time (timestamp) is 'Tue Apr 03'"},
    ),
    Case(
        "epinions",
        "Epinions epinions.json",
        "{'user': 'kim', 'stars': 4.0, 'time': '1083110400', 'paid': '0.05', 'item': 'A_Lamp', 'review': \"It's\"}\n"
        "{'user': 'lee', 'stars': 1.0, 'time': '1083024000', 'paid': '', 'item': 'A_Lamp', 'review': ''}\n",
        [("lee", "A_Lamp", 1_083_024_000_000, "review", None), ("kim", "A_Lamp", 1_083_110_400_000, "review", None)],
        {
            "{'user': 'kim', 'stars': 4.0, 'time': '', 'paid': '0', 'item': 'A_Lamp'}\n": "no time",
            "{'user': 'kim', 'stars': 4.0, 'paid': '0', 'item': 'A_Lamp'}\n": "not_literal",
        },
    ),
    Case(
        "douban",
        "Douban DMSC.csv",
        "ID,Movie_Name_EN,Movie_Name_CN,Crawl_Date,Number,Username,Date,Star,Comment,Like\n"
        "0,A Film,片,2017-01-22,1,kim,2015-05-13,3,很好,2404\n"
        "1,A Film,片,2017-01-22,2,lee,2015-05-12,2,不好,381\n",
        [("lee", "A Film", 1_431_388_800_000, "review", None), ("kim", "A Film", 1_431_475_200_000, "review", None)],
        {
            "2,A Film,片,2017-01-22,3,,2015-05-12,2,x,3\n": "no user",
            "2,A Film,片,2017-01-22,3,kim,12/05/2015,2,x,3\n": "line 4: Date (timestamp) is '12/05/2015'",
            "2,A Film,片,2017-01-22,3,kim,2015-05-12,2,x,y,3\n": "line 4: 2,A Film",
        },
    ),
    Case(
        "amazon-reviews",
        "Amazon 2014 reviews as Python literals",
        "{'reviewerID': 'AB', 'asin': 'B001', 'reviewText': \"It's\", 'unixReviewTime': 1300060800}\n",
        [("AB", "B001", 1_300_060_800_000, "review", None)],
        {"{'reviewerID': 'AB', 'asin': 'B001', 'unixReviewTime': 1300060800000}\n": "are the times in milliseconds"},
    ),
]

FOREIGN = [
    Foreign("lastfm-1k", "0a" * 20 + "\tm1\tUnderworld\t17\n", "Last.fm 360K"),
    Foreign("lastfm-1k", "user_000001\tm\t\tJapan\tAug 13, 2006\n", "profiles"),
    Foreign("goodreads", "user_id,book_id,is_read,rating,is_reviewed\n0,948,1,5,0\n", "goodreads_interactions.csv"),
    Foreign("goodreads", '{"book_id": "5", "genres": {"fiction": 3}}\n', "genres"),
    Foreign("goodreads", "book_id_csv,book_id\n0,34684622\n", "maps of ids"),
    Foreign("30music", 'event.session\t1\t1390000009\t{"numtracks":2}\t{"subjects":[],"objects":[]}\n', "sessions"),
    Foreign("foursquare", "Tokyo\t35.6\t139.7\tJP\tJapan\tNational capital\n", "Cities"),
    Foreign("epinions", "kim trust lee\nlee trustedby kim\n", "network of trust"),
    Foreign("movielens", "User-ID;ISBN;Book-Rating\n7;034545104X;0\n".replace("User-ID", '"User-ID"'), "Book-Crossing"),
    Foreign("movielens", '"User-ID";"ISBN";"Book-Rating"\n"7";"034545104X";"0"\n', "Book-Crossing"),
    Foreign(
        "kuairand",
        "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age\n1,2,1,0,0,0,3,1,0,2\n",
        "Tenrec",
    ),
    Foreign("taobao", "0\t" + "1\t" * 13 + "\t".join(["68fd1e64"] * 25) + "\t\n", "Criteo"),
    Foreign("movielens", "7\t21\t1\t1\n7\t22\t1\t1\n", "Pinterest"),
]
