"""Columns are guessed where they are clear, and asked where they are not."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.errors import DatasetError
from simulator.importing.columns import Asked, Columns
from simulator.importing.guess import guess
from simulator.importing.roles import ROLES


def guessed(head: str, *rows: str, header: bool = True, asked: Mapping[str, str] | None = None) -> Columns:
    table = pl.DataFrame([row.split(",") for row in rows], schema=head.split(","), orient="row")
    return guess(table, Asked(**(asked or {})), header=header)


def chosen(columns: Columns) -> dict[str, str]:
    return {role: choice.column for role, choice in columns.by_role.items()}


@pytest.mark.parametrize(
    ("head", "row", "expected", "unit"),
    [
        ("time,customer,visit,sku,action,price", "2024-03-04T00:07:19.552Z,C1,V2,R-1,view,2",
         "customer sku time action visit", "iso"),
        ("visitorid,itemid,timestamp,event,n", "257,355,1433221332117,view,1",
         "visitorid itemid timestamp event", "ms"),
        ("event_time,event_type,product_id,category_id,price,user_id,user_session",
         "2019-10-01 00:00:00 UTC,view,4460,2103,3.5,5412,72d7",
         "user_id product_id event_time event_type user_session category_id", "iso"),
        ("InvoiceNo,StockCode,Quantity,InvoiceDate,CustomerID", "5,851A,6,12/13/2010 8:26,17850",
         "CustomerID StockCode InvoiceDate", "%m/%d/%Y %H:%M"),
        ("shop_customer_no,shop_article_no,at_ms", "a,b,1600000000000", "shop_customer_no shop_article_no at_ms", "ms"),
        ("who_id,user,product,x", "1,2,3,1600000000", "user product x", "s"),
        ("user,item,created,what", "1,2,1600000000,add_to_cart", "user item created what", "s"),
        ("user,user_id,item_id,timestamp", "0,1,2,1600000000", "user_id item_id timestamp", "s"),
    ],
)  # fmt: skip
def test_usual_names_are_known(head: str, row: str, expected: str, unit: str) -> None:
    columns = guessed(head, row)
    assert list(chosen(columns).values()) == expected.split()
    assert columns.unit == unit
    assert columns.constant == (None if "type" in columns.by_role else "click")


@pytest.mark.parametrize(
    ("head", "row", "asked", "words"),
    [
        ("customer_id,visitor_id,sku,ts", "1,2,3,1600000000", {}, "--user customer_id or --user visitor_id"),
        ("user,item,x,y", "1,2,1600000000,1600000001", {}, "several columns may be the time .*--time x or --time y"),
        ("user,item,at_time", "1,2,10:30", {}, "times in column 'at_time' cannot be read .'10:30'.*--time"),
        ("a,b,ts", "1,2,1600000000", {}, "no column is clearly the user .*--user COLUMN; the columns are 'a', 'b'"),
        ("user,item,day", "1,2,03/04/2020", {}, "--time 'day:%d/%m/%Y' or --time 'day:%m/%d/%Y'"),
        ("user,item,date,time", "1,2,2020-03-04,10:30", {}, r"--time 'date\+time' puts .*--time 'date' takes"),
        ("user,item,day,hour", "1,2,13/04/2020,9:30:01 PM", {}, r"--time 'day\+hour:%d/%m/%Y %I:%M:%S %p'"),
        ("user,item,date,time", "1,2,2020-03-04,10:30", {"time": "date+tim"}, "no such column"),
        ("user,item,ts", "1,2,1600000000", {"user": "usr"}, "no such column, did you mean 'user'"),
        ("user,item,ts", "1,2,1600000000", {"type": "purchase"}, "--type =purchase"),
        ("user,item,ts", "1,2,1600000000", {"type": "="}, "has no type"),
        ("user,item,ts", "1,2,1600000000", {"user": "="}, "must be a column"),
        ("user,item,ts", "1,2,1600000000", {"session": "=x"}, "must be a column"),
        ("user,item,ts", "1,2,1600000000", {"time": "ts:minutes"}, "'minutes' is no unit: write s, ms"),
        ("user,item,ts", "1,2,1600000000", {"user": "user:x"}, "only --time and --type"),
        ("user,item,ts", "1,2,1600000000", {"item": "user"}, "no column is clearly the user"),
        ("user,item,ts,act", "1,2,1600000000,view", {"type": "act:view"}, "write view=click,buy=purchase"),
        ("user,item,ts,category_id,category_code", "1,2,1600000000,5,x", {}, "--category category_id or --category"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_asked(head: str, row: str, asked: dict[str, str], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        guessed(head, row, asked=asked)


def test_what_was_said_goes_first() -> None:
    columns = guessed(
        "user,account,item,ts,act,visit", "1,2,3,1600000000,buy,9",
        asked={"user": "account", "time": "ts:ms", "type": "act:buy=purchase,view=click", "session": "="},
    )  # fmt: skip
    assert chosen(columns) == {"user": "account", "item": "item", "time": "ts", "type": "act"}
    assert columns.by_role["user"].why == "given"
    assert columns.unit == "ms"
    assert columns.renamed == {"buy": "purchase", "view": "click"}
    assert guessed("user,item,ts,act", "1,2,1600000000,view", asked={"type": "=purchase"}).constant == "purchase"


def test_without_a_header_columns_are_numbers_and_only_times_and_types_are_told_by_values() -> None:
    columns = guessed("1,2,3,4", "u,view,i,1600000000", header=False, asked={"user": "1", "item": "3"})
    assert chosen(columns) == {"user": "1", "item": "3", "time": "4", "type": "2"}
    with pytest.raises(
        DatasetError, match="no header, so columns are called by their number, 1 to 3; the first row: 'u'"
    ):
        guessed("1,2,3", "u,i,1600000000", header=False)


@given(st.sampled_from(sorted(ROLES)), st.data())
def test_every_usual_name_is_found_however_it_is_written(role: str, data: st.DataObject) -> None:
    names = next(names for known, names in ROLES.items() if known == role)
    name = data.draw(st.sampled_from([names.ours, *names.usual]))
    spelt = data.draw(
        st.sampled_from([name, name.upper(), name.replace("_", " "), f" {name} ", name.replace("_", "-")])
    )
    values = {"user": "u", "item": "i", "time": "1600000000", "type": "view"}
    columns = {"user_id": "u", "item_id": "i", "timestamp": "1600000000"}
    ours = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    columns.pop(ours.get(role, ""), None)
    columns[spelt] = values.get(role, "x")
    found = guess(pl.DataFrame({name: [value] for name, value in columns.items()}), Asked())
    assert {choice.column for choice in found.by_role.values()} == set(columns)
