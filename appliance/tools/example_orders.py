"""The order database of the example shop: made up by a rule, a few thousand orders.

No customer, phone number or parcel in it is anybody's. The rule that must not break: the same
order number always has the same phone number, articles and state, on every machine; only the dates
move with the day on which the file is made.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from random import Random

from appliance.tools.failures import ToolFailed

ORDERS = 3000
CUSTOMERS = 900
FIRST_NUMBER = 10001
SEED = 20261121
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
CARRIERS = (("中通快递", "ZTO Express", "ZT"), ("顺丰速运", "SF Express", "SF"))
CITIES = (
    ("杭州", "Hangzhou"),
    ("上海", "Shanghai"),
    ("苏州", "Suzhou"),
    ("北京", "Beijing"),
    ("成都", "Chengdu"),
)
# Name in Chinese and English, price in cents, whether it may go back when it was opened.
ARTICLES = (
    ("小满保温杯 500 毫升", "Xiaoman thermos 500 ml", 12900),
    ("素色陶瓷杯", "plain ceramic mug", 4900),
    ("玻璃双层杯", "double-wall glass", 6900),
    ("小满电水壶 1.5 升", "Xiaoman kettle 1.5 l", 19900),
    ("读书台灯", "reading lamp", 25900),
    ("小满十骨伞", "Xiaoman ten-rib umbrella", 8900),
    ("长绒棉四件套 1.5 米", "long-staple bedding set 1.5 m", 59900),
    ("长绒棉四件套 1.8 米", "long-staple bedding set 1.8 m", 69900),
    ("橡木书架", "oak bookshelf", 89900),
    ("真丝枕套", "silk pillowcase", 15900),
)
# State, how many of a hundred orders are in it, and the days since they were placed.
STATES = (
    ("unpaid", 4, (0, 0)),
    ("packing", 9, (0, 1)),
    ("shipped", 17, (1, 4)),
    ("delivered", 62, (4, 120)),
    ("cancelled", 8, (2, 120)),
)
STATE_NAMES = {
    "unpaid": ("待付款", "waiting for payment"),
    "packing": ("备货中", "being packed"),
    "shipped": ("运输中", "on its way"),
    "delivered": ("已签收", "delivered"),
    "cancelled": ("已取消", "cancelled"),
}
# The first customers and orders are set by hand, for the handbook and the tests.
KNOWN_PHONES = ("19900006688", "19900001357", "19900002468")
KNOWN_ORDERS = {
    10008: (0, "delivered", 3),
    10023: (0, "shipped", 2),
    10045: (1, "packing", 1),
    10061: (1, "delivered", 40),
    10077: (2, "delivered", 5),
}
TABLES = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, phone TEXT NOT NULL) STRICT;
CREATE TABLE orders (
    order_no TEXT PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers,
    placed_on TEXT NOT NULL,
    state TEXT NOT NULL,
    state_zh TEXT NOT NULL,
    state_en TEXT NOT NULL,
    article_zh TEXT NOT NULL,
    article_en TEXT NOT NULL,
    pieces INTEGER NOT NULL,
    total_cents INTEGER NOT NULL,
    carrier_zh TEXT,
    carrier_en TEXT,
    parcel_no TEXT,
    city_zh TEXT,
    city_en TEXT,
    expected_on TEXT,
    delivered_on TEXT
) STRICT;
CREATE TABLE invoices (
    order_no TEXT PRIMARY KEY REFERENCES orders,
    title TEXT NOT NULL,
    number TEXT NOT NULL,
    issued_on TEXT NOT NULL,
    total_cents INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_of_customer ON orders (customer_id, placed_on);
"""


def make_orders(path: Path, today: date) -> None:
    """Write the whole database beside `path`, then put it in its place. Raises ToolFailed."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.executescript(TABLES)
            connection.execute("BEGIN")
            _fill(connection, today)
            connection.execute("COMMIT")
        new.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise ToolFailed(f"The example's orders cannot be written to {path}: {error}.") from None


def _fill(connection: sqlite3.Connection, today: date) -> None:
    chance = Random(SEED)
    phones = [*KNOWN_PHONES]
    while len(phones) < CUSTOMERS:
        phones.append(f"1990000{chance.randrange(10_000):04d}")
    connection.executemany(
        "INSERT INTO customers VALUES (?, ?, ?)",
        [
            (at, f"{chance.choice(SURNAMES)}{'女士' if chance.random() < 0.5 else '先生'}", phone)
            for at, phone in enumerate(phones)
        ],
    )
    for row, invoice in _list_orders(chance, today):
        connection.execute(f"INSERT INTO orders VALUES ({', '.join('?' * len(row))})", row)
        if invoice is not None:
            connection.execute("INSERT INTO invoices VALUES (?, ?, ?, ?, ?)", invoice)


def _list_orders(
    chance: Random, today: date
) -> Iterator[tuple[tuple[object, ...], tuple[object, ...] | None]]:
    """Each order, with its invoice where it has one."""
    for number in range(FIRST_NUMBER, FIRST_NUMBER + ORDERS):
        customer = chance.randrange(len(KNOWN_PHONES), CUSTOMERS)
        state, _, days = chance.choices(STATES, [weight for _, weight, _ in STATES])[0]
        age = chance.randint(*days)
        if number in KNOWN_ORDERS:
            customer, state, age = KNOWN_ORDERS[number]
        row, total_cents = _make_order(chance, today, number, customer, state, age)
        wants_invoice = chance.random() < 0.6 or number in KNOWN_ORDERS
        invoice = None
        if state == "delivered" and wants_invoice:
            issued = today - timedelta(days=max(0, age - 4))
            title = "个人" if chance.random() < 0.7 else f"{chance.choice(SURNAMES)}记贸易有限公司"
            invoice = (row[0], title, f"2426{number:08d}", issued.isoformat(), total_cents)
        yield row, invoice


def _make_order(
    chance: Random, today: date, number: int, customer: int, state: str, age: int
) -> tuple[tuple[object, ...], int]:
    placed = today - timedelta(days=age)
    article_zh, article_en, cents = chance.choice(ARTICLES)
    pieces = chance.choices((1, 2, 3), (80, 15, 5))[0]
    carrier_zh, carrier_en, prefix = chance.choices(CARRIERS, (85, 15))[0]
    parcel = f"{prefix}{chance.randrange(10**11):011d}"
    city_zh, city_en = chance.choice(CITIES)
    travels = chance.randint(2, 4)
    is_sent = state in ("shipped", "delivered")
    expected = placed + timedelta(days=max(travels, age + 1) if state == "shipped" else travels)
    delivered = min(placed + timedelta(days=travels), today)
    row = (
        f"A{number}",
        customer,
        placed.isoformat(),
        state,
        *STATE_NAMES[state],
        article_zh,
        article_en,
        pieces,
        pieces * cents,
        carrier_zh if is_sent else None,
        carrier_en if is_sent else None,
        parcel if is_sent else None,
        city_zh if state == "shipped" else None,
        city_en if state == "shipped" else None,
        expected.isoformat() if state in ("packing", "shipped") else None,
        delivered.isoformat() if state == "delivered" else None,
    )
    return row, pieces * cents
