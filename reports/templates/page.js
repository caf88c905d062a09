"use strict";
// The page is whole without this: it adds sorting, filtering, copying, and opens what a link leads to.
(() => {
  const make = (name, attributes, words) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (words) element.textContent = words;
    return element;
  };

  // A cell's value: a duration's seconds, a time, a number, else its words.
  const value = (cell) => {
    const data = cell.querySelector("data, time");
    if (data) return data.tagName === "TIME" ? Date.parse(data.dateTime) : Number(data.value);
    const words = cell.textContent.trim();
    const number = Number(words.replace(/[,#\s]/g, ""));
    return words === "" || words === "–" ? null : Number.isFinite(number) ? number : words;
  };
  const order = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return typeof a === "number" ? a - b : a.localeCompare(b);
  };

  const sort = (table, column, heading) => {
    const up = heading.getAttribute("aria-sort") !== "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [value(row.cells[column]), row]);
    // What has no value stays last, whichever way.
    rows.sort(([a], [b]) => (a === null || b === null || up ? order(a, b) : order(b, a)));
    body.append(...rows.map(([, row]) => row));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
  };

  // Rows, and the stories that go with them, by words and by class.
  const filter = (region, rows, name) => {
    const tools = make("div", { class: "tools", role: "search", "aria-label": `Filter: ${name}` });
    const label = make("label", {}, "Filter ");
    const input = make("input", { type: "search", placeholder: "name, address, account, id" });
    label.append(input);
    tools.append(label);
    const own = new Set(rows.map((row) => (row.querySelector("[data-class]") || row).dataset.class));
    const legend = [...document.querySelectorAll(".legend [data-class]")].map((item) => item.dataset.class);
    const classes = [...new Set(legend)].filter((one) => own.has(one));
    const chosen = new Set();
    const count = make("output", { "aria-live": "polite" });
    const stories = rows.map((row) => {
      const link = row.querySelector('th a[href^="#window-"]');
      return link ? document.querySelector(link.getAttribute("href")) : null;
    });
    const haystacks = rows.map((row, i) => (row.textContent + " " + (stories[i] ? stories[i].textContent : "")).toLowerCase());
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, i) => {
        const own = (row.querySelector("[data-class]") || row).dataset.class;
        const hit = (chosen.size === 0 || chosen.has(own)) && words.every((word) => haystacks[i].includes(word));
        row.hidden = !hit;
        if (stories[i]) stories[i].hidden = !hit;
        shown += hit;
      });
      count.textContent = `${shown} of ${rows.length}`;
    };
    if (classes.length > 1) {
      for (const one of classes) {
        const button = make("button", { type: "button", "aria-pressed": "false" }, one);
        button.addEventListener("click", () => {
          const on = !chosen.delete(one);
          if (on) chosen.add(one);
          button.setAttribute("aria-pressed", String(on));
          apply();
        });
        tools.append(button);
      }
    }
    tools.append(count);
    input.addEventListener("input", apply);
    region.before(tools);
    apply();
  };

  for (const region of document.querySelectorAll(".sortable")) {
    const table = region.querySelector("table");
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = make("button", { type: "button" }, heading.textContent);
      heading.replaceChildren(button);
      button.addEventListener("click", () => sort(table, column, heading));
    });
    const rows = [...table.tBodies[0].rows];
    if (rows.length > 5) filter(region, rows, table.caption.textContent);
  }

  const stories = document.querySelector(".windows");
  if (stories) {
    const tools = make("div", { class: "tools" });
    for (const [words, open] of [["Open all", true], ["Close all", false]]) {
      const button = make("button", { type: "button" }, words);
      button.addEventListener("click", () => {
        for (const story of stories.children) if (!story.hidden) story.open = open;
      });
      tools.append(button);
    }
    stories.before(tools);
  }

  const copy = async (words) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(words);
    const area = make("textarea", {});
    area.value = words;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };
  // Buttons are made when a story is first opened: a thousand windows have many ids.
  document.addEventListener("toggle", (event) => {
    const story = event.target;
    if (!story.open || story.dataset.ready) return;
    story.dataset.ready = "yes";
    for (const id of story.querySelectorAll(".id")) {
      const button = make("button", { type: "button", class: "copy", "aria-label": `Copy ${id.textContent}` }, "copy");
      button.addEventListener("click", () => copy(id.textContent).then(() => { button.textContent = "copied"; }, () => {
        button.textContent = "not allowed";
      }));
      id.after(button);
    }
  }, true);

  const follow = () => {
    const target = location.hash.startsWith("#window-") && document.getElementById(location.hash.slice(1));
    if (!target) return;
    target.hidden = false;
    target.open = true;
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", follow);
  follow();
})();
