"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const made = (tag, text, cls) => {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
};
let lang = D.lang, at = 0;
const word = (key) => D.words[key][lang];
const filled = (text, holes) => text.replace(/\{(\w+)\}/g, (_, key) => holes[key]);

/* An expression as MathML, the names that this side alone has marked. Expressions are written by page.py, escaped. */
function formula(into, index, marks) {
  into.innerHTML = D.expressions[index];
  for (const e of into.querySelectorAll("mi, mn")) if (marks.includes(e.textContent)) e.classList.add("mark");
}

function facts(step) {
  return step.facts.map((index) => {
    const fold = made("details"), title = made("summary", word("facts") + ": "), list = made("ol");
    const {sides, proof} = D.facts[index], both = made("span");
    both.innerHTML = sides.map((side) => D.expressions[side]).join(" = ");
    title.append(both);
    for (const [i, text] of proof.entries()) {
      const item = made("li");
      item.innerHTML = D.expressions[text].replace(/^(<math[^>]*>)/, i ? "$1<mo>=</mo>" : "$1");
      list.append(item);
    }
    fold.append(title, list);
    return fold;
  });
}

function show(to, focus) {
  at = Math.max(0, Math.min(D.steps.length - 1, to));
  const step = D.steps[at];
  if (!step) return;
  const [name, why] = D.rules[step.rule][lang];
  $("line").textContent = step.line + " =";
  $("rule").textContent = name;
  $("why").textContent = why;
  formula($("before"), step.before, step.gone);
  formula($("after"), step.after, step.fresh);
  $("uses").textContent = step.uses.length ? filled(word("uses"), {names: step.uses.join(", ")}) : "";
  $("facts").replaceChildren(...facts(step));
  $("code").textContent = step.code;
  $("count").textContent = `${at + 1} / ${D.steps.length}`;
  $("slider").value = at + 1;
  $("slider").setAttribute("aria-valuetext", `${at + 1}: ${step.line}, ${name}`);
  $("previous").disabled = at === 0;
  $("next").disabled = at === D.steps.length - 1;
  $("say").textContent = filled(word("say"), {step: at + 1, steps: D.steps.length, line: step.line, rule: name}) + " " + step.says;
  for (const b of $("list").querySelectorAll("button")) {
    if (+b.dataset.step === at) {
      b.setAttribute("aria-current", "step");
      if (focus !== false) b.scrollIntoView({block: "nearest"});
    } else b.removeAttribute("aria-current");
  }
  try { if (location.hash !== `#step=${at + 1}`) history.replaceState(null, "", `#step=${at + 1}`); } catch { /* a frame without an address */ }
}

function words() {
  document.documentElement.lang = lang ? "zh-Hans" : "en";
  document.title = word("title");
  for (const e of document.querySelectorAll("[data-word]")) e.textContent = word(e.dataset.word);
  for (const e of document.querySelectorAll("[data-label]")) {
    e.setAttribute("aria-label", word(e.dataset.label));
    e.title = word(e.dataset.label);
  }
  let last = "";
  $("list").replaceChildren(...D.steps.flatMap((step, i) => {
    const item = made("li"), button = made("button", `${i + 1}. ${D.rules[step.rule][lang][0]}`), out = [];
    if (step.line !== last) out.push(made("li", step.line, "group"));
    last = step.line;
    button.type = "button";
    button.dataset.step = i;
    button.onclick = () => show(i);
    item.append(button);
    return [...out, item];
  }));
  $("notes").replaceChildren(...D.notes.map((note) => made("li", note[lang])));
  $("badges").replaceChildren(...D.badges.map((badge) => made("span", badge[lang], "badge")));
  $("print").replaceChildren(...D.steps.map((step, i) => {
    const article = made("article"), before = made("div", "", "formula before"), after = made("div", "", "formula after");
    formula(before, step.before, step.gone);
    formula(after, step.after, step.fresh);
    article.append(made("h3", `${i + 1}. ${step.line}: ${D.rules[step.rule][lang].join(". ")}`), before, after);
    return article;
  }));
  $("now").hidden = $("way").hidden = D.steps.length === 0;
}

function theme(dark) { document.documentElement.dataset.theme = dark ? "dark" : "light"; }

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("pre, .formula, input")) {
    if (!(event.key === "Home" || event.key === "End" || event.key.startsWith("Arrow")) || event.target.closest("input")) return;
  }
  const go = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: D.steps.length - 1}[event.key];
  if (go === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  show(go);
});
addEventListener("hashchange", () => { const m = location.hash.match(/^#step=(\d+)$/); if (m) show(m[1] - 1); });
$("previous").onclick = () => show(at - 1);
$("next").onclick = () => show(at + 1);
$("slider").max = Math.max(1, D.steps.length);
$("slider").oninput = (event) => show(event.target.value - 1);
$("language").onclick = () => { lang = 1 - lang; words(); show(at); };
$("theme").onclick = () => theme(document.documentElement.dataset.theme !== "dark");
theme(matchMedia("(prefers-color-scheme: dark)").matches);
words();
show((location.hash.match(/^#step=(\d+)$/) || [0, 1])[1] - 1, false);
