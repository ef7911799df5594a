"""The page at /, as a person uses it: real digits drawn with mouse and finger.

page.py CHROMIUM URL PICTURES prints TAP; screenshots go into the folder PICTURES."""
import os
import sys

from browser import Browser
from strokes import SIDE, read_idx, strokes

DATA = "examples/mnist/data"
COUNT = 20  # digits drawn, two of each

failures = 0


def result(good, name, why=""):
    global failures
    if not good:
        failures += 1
        print(f"# {why}")
    print(f"{'ok' if good else 'not ok'} - page: {name}", flush=True)


def draw(browser, lines, finger):
    box = browser.value("(() => { const r = document.getElementById('board').getBoundingClientRect();"
                        " return [r.left, r.top, r.width]; })()")
    at = [[(box[0] + x * box[2], box[1] + y * box[2]) for x, y in line] for line in lines]
    for line in at:
        if finger:
            browser.touch("touchStart", line[0])
            for p in line[1:]:
                browser.touch("touchMove", p)
            browser.touch("touchEnd")
        else:
            browser.mouse("mousePressed", *line[0])
            for p in line[1:]:
                browser.mouse("mouseMoved", *p)
            browser.mouse("mouseReleased", *line[-1])


def answer(browser):
    """What stands there once the last request is answered."""
    browser.wait("!busy && !again")
    return browser.value("document.getElementById('digit').textContent")


def examples():
    images, labels = read_idx(f"{DATA}/t10k-images-idx3-ubyte.gz"), read_idx(f"{DATA}/t10k-labels-idx1-ubyte.gz")
    seen = {}
    for i, label in enumerate(labels):
        if seen.setdefault(label, 0) < COUNT // 10:
            seen[label] += 1
            yield images[i * SIDE * SIDE:(i + 1) * SIDE * SIDE], label


def draw_all(browser, pictures, finger):
    right, wrong = 0, []
    for i, (image, label) in enumerate(examples()):
        browser.value("document.getElementById('clear').click()")
        draw(browser, strokes(image), finger)
        got = answer(browser)
        right += got == str(label)
        if got != str(label):
            wrong.append(f"{label} taken for {got}")
        if i == 4:
            browser.screenshot(f"{pictures}/{'phone' if finger else 'desk'}.png")
    return right, ", ".join(wrong)


def main(program, url, pictures):
    os.makedirs(pictures, exist_ok=True)
    browser = Browser(program, 1000, 1100)
    try:
        browser.open(url)
        result(browser.wait("document.readyState === 'complete' && typeof digits !== 'undefined' && !!digits", 20),
               "it finds the model of digits")
        result(browser.wait("document.getElementById('state').classList.contains('up')"), "it shows that the server is ready")
        right, wrong = draw_all(browser, pictures, False)
        result(right >= COUNT - 2, f"digits drawn with a mouse are read ({right} of {COUNT})", wrong)
        shown = browser.value("[...document.querySelectorAll('.bar')].reduce((s, b) => s + parseFloat(b.lastChild.textContent), 0)")
        result(99 < shown < 101, "the ten bars add up to 100 %", f"they add up to {shown}")
        result(browser.value("parseFloat(document.getElementById('latency').textContent) > 0"), "the latency is shown")
        result(browser.wait("parseInt(document.getElementById('total').textContent.replaceAll(',', '')) > 20"),
               "the requests are counted")
        browser.value("document.getElementById('clear').click()")
        result(answer(browser) == "\u2013", "an empty board gives no digit")

        browser.resize(390, 844, True)
        wide = browser.value("document.documentElement.scrollWidth <= window.innerWidth")
        result(wide, "on a phone nothing is wider than the screen")
        right, wrong = draw_all(browser, pictures, True)
        result(right >= COUNT - 2, f"digits drawn with a finger are read ({right} of {COUNT})", wrong)

        browser.resize(1000, 1100, False)
        browser.value("document.getElementById('models').value = 'other';"
                      "document.getElementById('models').dispatchEvent(new Event('change'))")
        result(browser.wait("!document.getElementById('try').hidden"), "another model gets a form with an example request")
        browser.value("document.getElementById('send').click()")
        result(browser.wait("document.getElementById('reply').textContent.includes('outputs')"), "the example request is answered",
               browser.value("document.getElementById('reply').textContent"))
        browser.screenshot(f"{pictures}/other.png")
        complaints = browser.complaints()
        result(not complaints, "its script meets no error", complaints)
    finally:
        browser.close()
    print("1..12")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
