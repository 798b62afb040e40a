"""Two browsers, a customer's and an operator's: taking over, answering, giving back.

The server is the real one with scripted answers. The rules that must not break: after the event
that gives a conversation to a person the customer gets no word of the bot, and what either side
said stands on both pages, to the letter.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from appliance.engine.scripted import ScriptedEngine
from tests.browser.access import find_faults
from tests.browser.customer import NEEDS_CHROMIUM, open_page, send, wait_for_answer
from tests.browser.operator import answer_as_operator, at_console, sign_in, working
from tests.desk_house import employ
from tests.scripted_house import LONG_ANSWER, HouseServer, answer, choose_settings, serving
from tests.test_http_events import visiting

pytestmark = NEEDS_CHROMIUM

# 50 where the whole proof is wanted.
TAKEOVERS = int(os.environ.get("TAKEOVERS", "4"))
LONG = "请说一个长的回答"
NOTE_TAKEOVER = """() => {
  const { talk } = document.querySelector("appliance-conversation");
  const read = () => talk.state.messages
    .filter(({ role, origin }) => role === "assistant" && !origin.name)
    .map(({ text }) => text).filter(Boolean).join("|");
  window.atTakeover = null;
  talk.addEventListener("change", () => {
    if (talk.state.handoff === "human") window.atTakeover ??= read();
    window.saidByBot = read();
  });
}"""


# Of each tone that is started, whether it also came to its end, which it does only where it sounds.
NOTE_TONES = """() => {
  window.tones = [];
  const { start } = OscillatorNode.prototype;
  OscillatorNode.prototype.start = function (...when) {
    const tone = { hertz: Math.round(this.frequency.value), isOver: false };
    window.tones.push(tone);
    this.addEventListener("ended", () => { tone.isOver = true; });
    return start.apply(this, when);
  };
}"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HouseServer[ScriptedEngine]]:
    settings = choose_settings(tmp_path)
    with serving(settings, ScriptedEngine(answer)) as server:
        employ(settings.data)
        yield server


@pytest.fixture
def customer(browser: Browser, server: HouseServer[ScriptedEngine]) -> Iterator[Page]:
    with open_page(browser, server.url) as page:
        yield page


@pytest.fixture
def operator(browser: Browser, server: HouseServer[ScriptedEngine]) -> Iterator[Page]:
    with working(browser, server.url) as page:
        yield page


def act(operator: Page, name: str) -> None:
    operator.locator(f"[data-act={name}]").click()


def open_latest(operator: Page, text: str) -> None:
    operator.locator(".row", has_text=text).first.click()
    expect(operator.locator(".log-list")).to_contain_text(text)


def wait_for_chars(page: Page, chars: int) -> None:
    page.wait_for_function(
        """chars => [...document.querySelectorAll(".prose")].at(-1)?.innerText.length >= chars""",
        arg=chars,
    )


def take_over_at(customer: Page, operator: Page, chars: int, number: int) -> None:
    """One conversation from its question to the operator's and the customer's words."""
    question = f"{LONG}{number}"
    customer.evaluate(NOTE_TAKEOVER)
    send(customer, question)
    open_latest(operator, question)
    expect(operator.locator("[data-act=takeStop]")).to_be_visible()
    wait_for_chars(customer, chars)
    act(operator, "takeStop")
    expect(operator.locator("#answer")).to_be_visible()
    answer_as_operator(operator, f"我是小王{number}")
    expect(customer.locator(".answer .prose").last).to_have_text(f"我是小王{number}")
    send(customer, f"谢谢您{number}")
    expect(operator.locator(".said-customer .prose").last).to_have_text(f"谢谢您{number}")
    expect(customer.locator("#stop")).to_be_hidden()
    at_takeover, said = customer.evaluate("[window.atTakeover, window.saidByBot]")
    assert at_takeover is not None
    assert said == at_takeover, "the bot spoke after a person had the conversation"
    assert LONG_ANSWER.startswith(said)
    assert len(said) < len(LONG_ANSWER)
    check_nothing_lost(customer, operator)


def check_nothing_lost(customer: Page, operator: Page) -> None:
    """Both pages, read anew from the store, show the same words in the same order."""
    seen = read_customer(customer)
    customer.reload()
    expect(customer.locator(".message").last).to_be_visible()
    customer.wait_for_function("() => document.querySelector('#stop')?.hidden")
    assert read_customer(customer) == seen
    own = operator.locator(".said-message .prose").all_inner_texts()
    assert [flatten(text) for text in own if text.strip()] == seen


def read_customer(page: Page) -> list[str]:
    return [flatten(text) for text in page.locator(".bubble, .prose").all_inner_texts()]


def flatten(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_an_operator_takes_over_in_mid_answer_and_the_bot_says_no_word_after_it(
    customer: Page, operator: Page
) -> None:
    chance = random.Random(os.environ.get("SEED", "9"))
    for number in range(TAKEOVERS):
        take_over_at(customer, operator, chance.randint(1, 180), number)
        act(operator, "toClosed")
        expect(customer.locator("#handoff-text")).to_contain_text("结束")
        customer.click("#new")
        expect(customer.locator("#welcome")).to_be_visible()


def test_what_is_said_after_a_conversation_was_hard_to_open_is_seen(
    customer: Page, operator: Page
) -> None:
    """Its first answer is lost; a later one opens it, and its events come from then on."""
    send(customer, "有没有雨伞")
    wait_for_answer(customer)
    lost: list[str] = []

    def lose_twice(route: Route) -> None:
        lost.append(route.request.url)
        if len(lost) > 2:
            route.fallback()
        else:
            route.abort()

    operator.route(re.compile(r"/console/conversations/[0-9a-f]{64}$"), lose_twice)
    open_latest(operator, "有没有雨伞")
    expect(operator.locator(".thread .said")).to_have_text("")
    send(customer, "几点关门")
    expect(operator.locator(".said-customer .prose").last).to_have_text("几点关门")


def test_a_list_that_was_hard_to_read_is_read_and_tells_of_new_wishes(
    browser: Browser, server: HouseServer[ScriptedEngine], customer: Page
) -> None:
    """Its first answers are lost, and so are those for older conversations."""
    send(customer, "有没有雨伞")
    wait_for_answer(customer)
    lost: list[str] = []

    def lose_twice(route: Route) -> None:
        if "before=" in route.request.url or len(lost) < 2:
            lost.append(route.request.url)
            route.abort()
        else:
            answer = route.fetch()
            route.fulfill(response=answer, json=answer.json() | {"next": "older"})

    with at_console(browser, server.url) as page:
        page.route(re.compile(r"/console/conversations\?limit=100"), lose_twice)
        sign_in(page, "wang")
        said = page.locator(".list .said")
        expect(said).to_contain_text("连不上")
        expect(page.locator(".row")).to_contain_text("有没有雨伞")
        expect(said).to_be_hidden()
        customer.click("#call-person")
        expect(page.locator(".desk > .unseen[role=status]")).to_contain_text("转人工")
        page.get_by_role("button", name="看更早的").click()
        expect(said).to_contain_text("连不上")
        assert find_faults(page) == []


def test_a_take_over_that_waits_for_the_end_can_be_called_off(
    customer: Page, operator: Page
) -> None:
    send(customer, LONG)
    open_latest(operator, LONG)
    act(operator, "takeFinish")
    expect(operator.locator(".acts-of [role=status]")).to_have_text("等它答完就由您接手…")
    expect(operator.locator("[data-act=takeNot]")).to_be_focused()
    act(operator, "takeNot")
    expect(operator.locator("[data-act=takeFinish]")).to_be_visible()
    wait_for_answer(customer)
    expect(operator.locator("[data-act=take]")).to_be_visible()
    expect(operator.locator("#answer")).to_be_hidden()
    expect(operator.locator(".thread .said")).to_have_text("")


def test_an_answer_may_be_finished_before_the_person_comes(customer: Page, operator: Page) -> None:
    send(customer, LONG)
    open_latest(operator, LONG)
    wait_for_chars(customer, 10)
    act(operator, "takeFinish")
    expect(operator.locator("#answer")).to_be_visible(timeout=30_000)
    said = wait_for_answer(customer)
    assert "说一声" in said
    answer_as_operator(operator, "还有什么要问的吗？")
    expect(customer.locator(".prose").last).to_have_text("还有什么要问的吗？")
    expect(customer.locator(".rung").last).to_have_text("店员 · wang")


def test_stars_that_did_not_get_through_are_asked_for_again_when_the_customer_leaves(
    customer: Page, operator: Page
) -> None:
    send(customer, "我的东西坏了")
    wait_for_answer(customer)
    customer.click("#call-person")
    operator.locator(".row[data-state=waiting]").click()
    act(operator, "take")
    act(operator, "toBot")
    customer.route("**/rating", lambda route: route.abort())
    customer.get_by_role("button", name="4 星（最高 5 星）").click()
    expect(customer.locator(".rating-said")).not_to_be_empty()
    customer.unroute("**/rating")
    customer.click("#new")
    customer.get_by_role("button", name="5 星（最高 5 星）").click()
    expect(customer.locator(".rating-said")).to_contain_text("谢谢")


def test_a_wish_is_told_at_once_and_the_customer_sees_place_name_and_end(
    customer: Page, operator: Page
) -> None:
    send(customer, "我的东西坏了")
    wait_for_answer(customer)
    customer.click("#call-person")
    expect(customer.locator("#handoff-text")).to_contain_text("您排在第 1 位")
    expect(operator).to_have_title("(1) 坐席台")
    expect(operator.locator(".desk > .unseen[role=status]")).to_contain_text("转人工")
    row = operator.locator(".row[data-state=waiting]")
    expect(row.locator(".row-wait")).to_have_text(re.compile(r"^\d+:\d\d$"))
    row.click()
    act(operator, "take")
    expect(customer.locator("#handoff-text")).to_have_text("店员 wang 正在和您对话。")
    expect(operator).to_have_title("坐席台")
    answer_as_operator(operator, "您好，**我是小王**。")
    expect(customer.locator(".prose").last).to_contain_text("我是小王")
    act(operator, "toBot")
    expect(customer.locator(".rating")).to_be_visible()
    send(customer, "那我再问一个")
    assert wait_for_answer(customer, 3) == "你说：那我再问一个"


def test_a_new_wish_sounds_where_sound_is_on_and_is_counted_in_the_title(
    server: HouseServer[ScriptedEngine], operator: Page
) -> None:
    operator.evaluate(NOTE_TONES)
    sound = operator.locator(".switches button").first
    expect(sound).to_have_attribute("aria-pressed", "false")
    waiting = operator.locator(".row[data-state=waiting]")

    def wish(count: int) -> list[int]:
        """The tones of it, once all of them have sounded."""
        with visiting(server.url) as customer:
            customer.say("我的东西坏了")
            customer.client.post(f"{customer.path}/handoff")
        expect(waiting).to_have_count(count)
        expect(operator).to_have_title(f"({count}) 坐席台")
        operator.wait_for_function("() => window.tones.every(({ isOver }) => isOver)")
        tones: list[int] = operator.evaluate(
            "() => window.tones.splice(0).map(({ hertz }) => hertz)"
        )
        return tones

    assert wish(1) == []
    sound.click()
    expect(sound).to_have_attribute("aria-pressed", "true")
    assert wish(2) == [740, 988, 740, 988], "at the press, and at the wish"
    assert wish(3) == [740, 988]
    sound.click()
    expect(sound).to_have_attribute("aria-pressed", "false")
    assert wish(4) == []


def test_two_operators_never_have_the_same_customer(
    browser: Browser, server: HouseServer[ScriptedEngine], customer: Page, operator: Page
) -> None:
    send(customer, "在吗")
    wait_for_answer(customer)
    customer.click("#call-person")
    with working(browser, server.url, "li") as other:
        for page in (operator, other):
            page.locator(".row[data-state=waiting]").click()
            expect(page.locator("[data-act=take]")).to_be_visible()
        act(operator, "take")
        expect(other.locator(".hint")).to_contain_text("wang 正在回答")
        expect(other.locator("[data-act=take]")).to_have_count(0)
        expect(other.locator("#answer")).to_be_hidden()
        answer_as_operator(operator, "我在")
        expect(other.locator(".said-operator .prose")).to_have_text("我在")


def test_the_whole_flow_by_keyboard_alone(
    browser: Browser, server: HouseServer[ScriptedEngine], customer: Page
) -> None:
    send(customer, "有人吗")
    wait_for_answer(customer)
    customer.click("#call-person")
    expect(customer.locator("#handoff-text")).to_be_visible()
    with at_console(browser, server.url) as page:
        keys = page.keyboard
        expect(page.locator("#account-name")).to_be_focused()
        keys.type("wang")
        keys.press("Tab")
        keys.type("ein langes Kennwort 1")
        keys.press("Enter")
        row = page.locator(".row[data-state=waiting]")
        expect(row).to_be_visible()
        walk_to(page, ".row[data-state=waiting]")
        keys.press("Enter")
        expect(page.locator(".thread-head h2")).to_be_focused()
        walk_to(page, "[data-act=take]")
        keys.press("Enter")
        expect(page.locator("#answer")).to_be_focused()
        keys.type("我在，请说。")
        keys.press("Enter")
        expect(customer.locator(".prose").last).to_have_text("我在，请说。")
        walk_to(page, "[data-act=toClosed]", "Shift+Tab")
        keys.press("Enter")
        expect(customer.locator("#handoff-text")).to_contain_text("结束")
        keys.press("Escape")
        expect(page.locator(".row").first).to_be_focused()


def walk_to(page: Page, selector: str, key: str = "Tab") -> None:
    for _ in range(40):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{selector} is not reached by {key}")


def test_who_only_reads_can_press_nothing_that_changes(
    browser: Browser, server: HouseServer[ScriptedEngine], customer: Page
) -> None:
    send(customer, "看看")
    wait_for_answer(customer)
    with working(browser, server.url, "gast") as page:
        page.locator(".row").first.click()
        expect(page.locator(".log-list")).to_contain_text("看看")
        expect(page.locator(".thread [data-act], #note, #assign")).to_have_count(0)


def test_a_session_that_ends_takes_everything_off_the_page(
    browser: Browser, server: HouseServer[ScriptedEngine], customer: Page, operator: Page
) -> None:
    send(customer, "秘密的话")
    open_latest(operator, "秘密的话")
    operator.get_by_role("button", name="退出").click()
    expect(operator.locator("#password")).to_be_visible()
    assert "秘密的话" not in operator.locator("body").inner_html()
    sign_in(operator, "wang")
    expect(operator.locator(".row")).to_contain_text("秘密的话")


def test_the_real_pages_have_no_fault_for_axe(customer: Page, operator: Page) -> None:
    send(customer, LONG)
    wait_for_answer(customer)
    customer.click("#call-person")
    expect(customer.locator("#handoff-text")).to_be_visible()
    assert find_faults(customer) == []
    operator.locator(".row").click()
    expect(operator.locator("[data-act=take]")).to_be_visible()
    assert find_faults(operator) == []
    act(operator, "take")
    expect(operator.locator("#answer")).to_be_visible()
    answer_as_operator(operator, "您好")
    assert find_faults(operator) == []
    act(operator, "toClosed")
    expect(customer.locator(".rating")).to_be_visible()
    assert find_faults(customer) == []


def test_an_answer_is_held_until_the_operator_has_sent_changed_or_dropped_it(
    customer: Page, operator: Page
) -> None:
    send(customer, "第一句")
    wait_for_answer(customer)
    operator.locator(".row").click()
    act(operator, "hold")
    expect(operator.locator("[data-act=hold]")).to_have_attribute("aria-pressed", "true")
    for number, (button, text, shown) in enumerate(
        (("发出", "", "你说：第二句"), ("发出我改的", "我替它说", "我替它说")), start=2
    ):
        send(customer, "第二句")
        draft = operator.locator("#draft-text")
        expect(draft).to_have_value("你说：第二句")
        expect(customer.locator(".answer").nth(number - 1).locator(".prose")).to_be_empty()
        if text:
            draft.fill(text)
        operator.get_by_role("button", name=button, exact=True).click()
        expect(customer.locator(".answer").nth(number - 1).locator(".prose")).to_have_text(shown)
        expect(operator.locator(".draft")).to_be_hidden()
    send(customer, "第三句")
    operator.get_by_role("button", name="不发").click()
    expect(operator.locator(".draft")).to_be_hidden()
    expect(customer.locator("#stop")).to_be_hidden()
    assert "你说：第三句" not in customer.locator("#transcript").inner_text()


def test_all_answers_can_be_held_at_once(customer: Page, operator: Page) -> None:
    switch = operator.get_by_role("button", name="所有回答先审后发")
    operator.route("**/console/hold", lambda route: route.abort())
    switch.click()
    expect(operator.locator(".hold-all .said")).to_be_in_viewport(ratio=1)
    operator.unroute("**/console/hold")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(operator.locator(".hold-all .said")).to_be_hidden()
    send(customer, "问一句")
    operator.locator(".row").click()
    expect(operator.locator("#draft-text")).to_have_value("你说：问一句")
    operator.reload()
    expect(switch).to_have_attribute("aria-pressed", "true")


def test_all_desks_see_at_once_who_pressed_the_switch_for_all_answers(
    browser: Browser, server: HouseServer[ScriptedEngine], operator: Page
) -> None:
    switch = operator.get_by_role("button", name="所有回答先审后发")
    expect(switch).to_have_attribute("aria-pressed", "false")
    with working(browser, server.url) as other:
        others = other.get_by_role("button", name="所有回答先审后发")
        for is_on in ("true", "false"):
            others.click()
            expect(others).to_have_attribute("aria-pressed", is_on)
            expect(switch).to_have_attribute("aria-pressed", is_on)


def test_both_pages_take_messages_as_long_as_the_shop_wishes(
    browser: Browser, tmp_path: Path
) -> None:
    """And cut nothing that is longer."""
    settings = choose_settings(tmp_path).model_copy(update={"max_message_chars": 20})
    with serving(settings, ScriptedEngine(answer)) as server:
        employ(settings.data)
        with open_page(browser, server.url) as customer, working(browser, server.url) as operator:
            customer.fill("#question", "好" * 21)
            expect(customer.locator("#count")).to_have_text("超出 1 字，请缩短后再发送")
            expect(customer.locator("#send")).to_be_disabled()
            send(customer, "有没有雨伞")
            wait_for_answer(customer)
            open_latest(operator, "有没有雨伞")
            act(operator, "take")
            operator.fill("#answer", "好" * 21)
            expect(operator.locator("#answer-count")).to_have_text("超出 1 字，请缩短后再发送")
            operator.press("#answer", "Enter")
            expect(operator.locator("#answer")).to_have_value("好" * 21)
            answer_as_operator(operator, "好" * 20)
            expect(customer.locator(".prose").last).to_have_text("好" * 20)


def test_both_sides_see_the_other_type(customer: Page, operator: Page) -> None:
    send(customer, "在吗")
    wait_for_answer(customer)
    customer.click("#call-person")
    operator.locator(".row[data-state=waiting]").click()
    act(operator, "take")
    expect(operator.locator("#answer")).to_be_visible()
    operator.locator("#answer").press_sequentially("我在")
    expect(customer.locator(".staff-typing")).to_be_visible()
    customer.locator("#question").press_sequentially("好")
    expect(operator.locator(".typing")).to_have_text("顾客正在输入…")
    operator.press("#answer", "Enter")
    expect(customer.locator(".prose").last).to_have_text("我在")
    expect(customer.locator(".staff-typing")).to_be_hidden()


def test_a_contact_and_a_rating_reach_the_operator(customer: Page, operator: Page) -> None:
    send(customer, "在吗")
    wait_for_answer(customer)
    customer.click("#call-person")
    expect(customer.locator("#handoff-text")).to_be_visible()
    leave = customer.locator("#leave-contact")
    if leave.is_visible():
        leave.click()
    customer.fill("#contact", "138 0013 8000")
    customer.press("#contact", "Enter")
    expect(customer.locator("#contact-said")).to_contain_text("记下了")
    row = operator.locator(".row[data-state=waiting]")
    expect(row).to_contain_text("留了联系方式")
    row.click()
    expect(operator.locator(".aside-facts")).to_contain_text("138 0013 8000")
    act(operator, "take")
    answer_as_operator(operator, "好的")
    act(operator, "toClosed")
    customer.get_by_role("button", name="4 星（最高 5 星）").click()
    customer.fill("#rating-comment", "很快")
    customer.press("#rating-comment", "Enter")
    expect(customer.locator(".rating-said")).to_contain_text("谢谢")
    expect(customer.locator("#rating-comment")).to_be_hidden()
    operator.locator(".row").first.click()
    expect(operator.locator(".aside-facts")).to_contain_text("★★★★☆ 很快")


def test_notes_canned_replies_assignment_and_search(
    browser: Browser, server: HouseServer[ScriptedEngine], customer: Page, operator: Page
) -> None:
    send(customer, "我要换一台洗衣机")
    wait_for_answer(customer)
    operator.locator(".row").click()
    operator.fill("#note", "老顾客，请优先")
    operator.get_by_role("button", name="加上备注").click()
    expect(operator.locator(".note-text")).to_have_text("老顾客，请优先")
    act(operator, "take")
    operator.get_by_role("button", name="常用语").click()
    operator.get_by_role("button", name="加一条").click()
    operator.locator(".reply-name").fill("hello")
    operator.locator(".reply-words").fill("您好，我是店员。")
    operator.get_by_role("button", name="保存").click()
    expect(operator.locator("#answer")).to_be_focused()
    operator.keyboard.type("/he")
    expect(operator.locator(".reply-list [role=option]")).to_have_count(1)
    operator.keyboard.press("Enter")
    expect(operator.locator("#answer")).to_have_value("您好，我是店员。")
    operator.keyboard.press("Enter")
    expect(customer.locator(".prose").last).to_have_text("您好，我是店员。")
    operator.select_option("#assign", "li")
    expect(operator.locator(".hint")).to_contain_text("li 正在回答")
    operator.fill("#search", "洗衣机")
    operator.press("#search", "Enter")
    hit = operator.locator(".found .row").last
    expect(hit).to_contain_text("我要换一台洗衣机")
    with working(browser, server.url, "li") as other:
        other.locator(".row").first.click()
        expect(other.locator("#answer")).to_be_visible()
        expect(other.locator(".note-text")).to_have_text("老顾客，请优先")


def test_suggestions_are_put_into_the_field_and_never_sent_by_themselves(
    browser: Browser, tmp_path: Path
) -> None:
    settings = choose_settings(tmp_path)
    faq = "question,answer\n怎么退货,七天之内带小票到店里就能退。\n几点开门,每天九点开门。\n"
    (settings.knowledge / "faq.csv").write_text(faq, "utf-8")
    with serving(settings, ScriptedEngine(answer)) as server:
        employ(settings.data)
        with open_page(browser, server.url) as customer, working(browser, server.url) as operator:
            send(customer, "我想把东西退货，怎么办理")
            wait_for_answer(customer)
            operator.locator(".row").click()
            act(operator, "take")
            operator.get_by_role("button", name="参考回答").click()
            operator.locator(".offer").first.click()
            expect(operator.locator("#answer")).to_have_value("七天之内带小票到店里就能退。")
            assert customer.locator(".answer").count() == 1
            operator.press("#answer", "Enter")
            expect(customer.locator(".prose").last).to_have_text("七天之内带小票到店里就能退。")


def test_how_it_was_is_asked_when_a_conversation_is_left_for_a_new_one(
    customer: Page, operator: Page
) -> None:
    send(customer, "问一句就走")
    wait_for_answer(customer)
    customer.click("#new")
    customer.get_by_role("button", name="5 星（最高 5 星）").click()
    expect(customer.locator(".rating-said")).to_contain_text("谢谢")
    operator.locator(".row").click()
    expect(operator.locator(".aside-facts")).to_contain_text("★★★★★")
    send(customer, "新的一句")
    expect(customer.locator(".rating")).to_be_hidden()
