"""Files of items: titles and categories, on lines made up in the publishers' shapes."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from mos_online.errors import DatasetError
from simulator.datasets import FORMATS, load, load_file
from simulator.datasets.catalogues import read_items
from simulator.datasets.parquet import ParquetTable
from tests.simulator.datasets.format_cases import CASES

ARTICLES = (
    "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,graphical_appearance_no,"
    "graphical_appearance_name,colour_group_code,colour_group_name,perceived_colour_value_id,"
    "perceived_colour_value_name,perceived_colour_master_id,perceived_colour_master_name,department_no,"
    "department_name,index_code,index_name,index_group_no,index_group_name,section_no,section_name,garment_group_no,"
    "garment_group_name,detail_desc\n"
)
CAPTIONS = (
    "video_id,manual_cover_text,caption,topic_tag,first_level_category_id,first_level_category_name,"
    "second_level_category_id,second_level_category_name,third_level_category_id,third_level_category_name\n"
)
POSTING = "id\ttitle\tcareer_level\tdiscipline_id\tindustry_id\tcountry\tregion\tlatitude\tlongitude\temployment\ttags"
VENUE = "49bbd6c0f964a520f4531fe7"


class Table(NamedTuple):
    """A file, and (item, title, category) of its items."""

    format: str
    title: str
    text: str
    items: list[tuple[str, str | None, str | None]]


TABLES = [
    Table("movielens", "MovieLens movies.dat", "1::It: the 2nd (1995)::Animation|Comedy\n2::Boy (1995)::Drama\n",
          [("1", "It: the 2nd (1995)", "Animation"), ("2", "Boy (1995)", "Drama")]),
    Table("movielens", "MovieLens movies.csv",
          'movieId,title,genres\n1,"Boy, The (1995)",Comedy|Drama\n2,Girl (1996),(no genres listed)\n',
          [("1", "Boy, The (1995)", "Comedy"), ("2", "Girl (1996)", None)]),
    Table("movielens", "MovieLens u.item",
          "1|Boy (1995)|01-Jan-1995||http://x|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
          "2|unknown|||http://y|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n",
          [("1", "Boy (1995)", "Animation"), ("2", "unknown", None)]),
    Table("amazon-reviews", "Amazon 2014 metadata of items",
          "{'asin': 'B1', 'title': \"Kim's\", 'price': 3.5, 'categories': [['Beauty', 'Hair'], ['Beauty']]}\n"
          "{'asin': 'B2', 'categories': [['Beauty']]}\n",
          [("B1", "Kim's", "Hair"), ("B2", None, "Beauty")]),
    Table("amazon-reviews", "Amazon 2018 metadata of items",
          '{"category": ["Beauty", "Hair"], "title": "A comb", "brand": "C", "asin": "B1", "price": "$3"}\n'
          '{"category": [], "title": "", "asin": "B2"}\n',
          [("B1", "A comb", "Hair"), ("B2", None, None)]),
    Table("amazon-reviews", "Amazon 2023 metadata of items",
          '{"main_category": "All Beauty", "title": "A comb", "price": null, "categories": [], "parent_asin": "B1"}\n'
          '{"main_category": null, "title": "Oil", "categories": ["Beauty", "Hair"], "parent_asin": "B2"}\n',
          [("B1", "A comb", "All Beauty"), ("B2", "Oil", "Hair")]),
    Table("yelp", "Yelp yelp_academic_dataset_business.json",
          '{"business_id":"b1","name":"Kim\'s","review_count":3,"categories":"Bars, Food"}\n'
          '{"business_id":"b2","name":"Lee","review_count":4,"categories":null}\n'
          '{"business_id":"b3","name":"Old","review_count":4,"categories":["Doctors","Health"]}\n',
          [("b1", "Kim's", "Bars"), ("b2", "Lee", None), ("b3", "Old", "Doctors")]),
    Table("retailrocket", "Retailrocket item_properties",
          "timestamp,itemid,property,value\n1442113200000,4,categoryid,9\n1435460400000,4,categoryid,8\n"
          "1435460400000,4,888,1116713 n277.200\n1435460400000,5,available,1\n",
          [("4", None, "cat_9")]),
    Table("globo", "Globo.com articles_metadata.csv",
          "article_id,category_id,created_at_ts,publisher_id,words_count\n7,281,1513144419000,0,168\n",
          [("7", None, "cat_281")]),
    Table("diginetica", "Diginetica product-categories.csv", "itemId;categoryId\n80;5\n", [("80", None, "cat_5")]),
    Table("steam", "Steam steam_games.json",
          "{u'id': u'440', u'app_name': u'A \"game\"', u'genres': [u'Action', u'Indie'], u'price': 4.99}\n"
          "{u'id': u'441', u'app_name': u'B', u'price': u'Free'}\n",
          [("440", 'A "game"', "Action"), ("441", "B", None)]),
    Table("hm", "H&M articles.csv",
          ARTICLES + '0663713001,0663713,"Top, thin",253,Vest top,Upper,1,Solid,9,Black,4,Dark,5,Black,1,'
          "Jersey,A,Lady,1,Ladieswear,16,Basics,1002,Jersey,Thin.\n",
          [("0663713001", "Top, thin", "Vest top")]),
    Table("mind", "MIND news.tsv", 'N8\tnews\tworld\tA "thing\tMore\thttp://x\t[]\t[{"Label": "X"}]\n',
          [("N8", 'A "thing', "news")]),
    Table("kuairec", "KuaiRec item_categories.csv", 'video_id,feat\n70,"[27, 9]"\n71,[8]\n72,[]\n',
          [("70", None, "tag_27"), ("71", None, "tag_8"), ("72", None, None)]),
    Table("kuairec", "KuaiRec kuairec_caption_category.csv",
          CAPTIONS + "70,UNKNOWN,一,[],8,颜值,673,颜值随拍,-124,UNKNOWN\n"
          "71,,二,[],-124,UNKNOWN,-124,UNKNOWN,-124,UNKNOWN\n",
          [("70", "一", "颜值"), ("71", "二", None)]),
    Table("kuairand", "KuaiRand video_features_basic",
          "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,"
          'server_height,music_id,music_type,tag\n80,1,NORMAL,2022-04-01,Web,1,10,1,1,2,9,"27,9"\n'
          "81,1,AD,2022-04-01,Web,1,,1,1,2,9,\n",
          [("80", None, "tag_27"), ("81", None, None)]),
    Table("goodreads", "Goodreads books",
          '{"book_id": "55", "title": "A book", "popular_shelves": [{"count": "3", "name": "to-read"}]}\n',
          [("55", "A book", None)]),
    Table("30music", "30Music tracks.idomaar",
          'track\t80\t-1\t{"duration":-1,"playcount":4,"MBID":null,"name":"The+Band/_/A+song"}\t'
          '{"artists":[{"type":"person","id":3}],"albums":[],"tags":[]}\n',
          [("80", "The+Band/_/A+song", "The Band")]),
    Table("foursquare", "Foursquare dataset_TIST2015_POIs.txt", f"{VENUE}\t40.7\t-74.0\tCafé\tUS\n",
          [(VENUE, None, "Café")]),
    Table("xing-2016", "XING items.csv",
          f"{POSTING}\tcreated_at\tactive_during_test\n21\t3,4\t3\t7\t9\tde\t0\tNULL\tNULL\t1\t5,6\t1440000000\t1\n",
          [("21", "3,4", "cat_7")]),
]  # fmt: skip

each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title.replace(" ", "-"))


def test_every_table_of_items_is_tried() -> None:
    assert {(table.format, table.title) for table in TABLES} == {
        (name, table.title)
        for name, known in FORMATS.items()
        for table in known.items
        if not isinstance(table.layout, ParquetTable)  # these have tests of their own
    }


@each_table
@pytest.mark.parametrize("packed", [False, True])
def test_items_are_recognised_and_read(table: Table, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = table.text.replace("\n", "\r\n").encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    found = read_items(path)
    assert found is not None
    title, frame = found
    assert title == table.title
    assert frame.select("item_id", "title", "category").rows() == table.items


@each_table
def test_items_are_no_events(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(table.text)
    with pytest.raises(DatasetError) as error:
        load(str(path), None)
    assert f"it looks like {table.title}, which has no events" in str(error.value)
    with pytest.raises(DatasetError):
        load_file(table.format, path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.layout.replace(" ", "-"))
def test_events_are_no_items(case: object, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(case.text)  # type: ignore[attr-defined]
    assert read_items(path) is None


def test_further_columns_stay(tmp_path: Path) -> None:
    path = tmp_path / "meta_Beauty.json"
    path.write_text(
        "{'asin': 'B1', 'title': 'A comb', 'price': 3.5, 'brand': 'C', 'categories': [['Beauty', 'Hair']]}\n"
    )
    found = read_items(path)
    assert found is not None
    assert found[1].select("price", "brand", "categories").rows() == [(3.5, "C", "Beauty|Hair")]


def test_a_folder_gives_its_items_to_the_log(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("9::2::5::1000000007\n9::1::4::1000000003\n")
    (tmp_path / "movies.dat").write_bytes("1::Café (1995)::Drama|War\n2::Boy (1995)::Comedy\n".encode("latin-1"))
    (tmp_path / "users.dat").write_text("9::F::1::10::48067\n")
    (tmp_path / "README").write_text("Summary\n")
    (tmp_path / "cover.zip").write_bytes(b"PK\x03\x04")
    read = load_file("movielens", tmp_path)
    assert read.categories == {"1": "Drama", "2": "Comedy"}
    assert read.items["title"].to_list() == ["Café (1995)", "Boy (1995)"]
    assert read.report is not None
    assert "titles and categories are those of movies.dat" in read.report.notes


def test_properties_in_several_files_are_one_catalogue(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        "timestamp,visitorid,event,itemid,transactionid\n1430000000500,4,view,40,\n1430000000600,4,view,41,\n"
    )
    head = "timestamp,itemid,property,value\n"
    (tmp_path / "item_properties_part1.csv").write_text(head + "1442113200000,40,categoryid,9\n")
    (tmp_path / "item_properties_part2.csv").write_text(
        head + "1435460400000,40,categoryid,8\n1435460400000,41,categoryid,7\n"
    )
    (tmp_path / "category_tree.csv").write_text("categoryid,parentid\n9,1\n")
    assert load_file("retailrocket", tmp_path).categories == {"40": "cat_9", "41": "cat_7"}


def test_items_of_another_log_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("9::2::5::1000000007\n")
    (tmp_path / "movies.dat").write_text("77::Boy (1995)::Comedy\n")
    with pytest.raises(DatasetError, match="none of the 1 items of its catalogue occurs in its events"):
        load_file("movielens", tmp_path)


def test_a_file_of_items_in_which_none_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "item_properties.csv"
    path.write_text("timestamp,itemid,property,value\n1442113200000,40,available,1\n")
    with pytest.raises(DatasetError, match="no item can be read; is it Retailrocket item_properties"):
        read_items(path)


def test_typed_items(tmp_path: Path) -> None:
    path = tmp_path / "articles.parquet"
    pl.DataFrame(
        {"article_id": [9, 8], "title": ["Ny", "Gammel"], "category_str": ["krimi", None], "body": ["x", "y"]},
        schema_overrides={"article_id": pl.Int32},
    ).write_parquet(path)
    found = read_items(path)
    assert found is not None
    assert found[1].rows() == [("9", "Ny", "krimi"), ("8", "Gammel", None)]
