// The page at `/`: sends chosen files one after the other, shows how far each is, and reads out the report.
// Nothing is stored: files and API key live in this page's memory. Without this script the form still sends one file.
"use strict";

const words = JSON.parse(document.body.dataset.words);
const downloads = JSON.parse(document.body.dataset.downloads);
const form = document.getElementById("verify");
const input = document.getElementById("document");
const drop = document.getElementById("drop");
const list = document.getElementById("list");
const shown = document.getElementById("shown");
const said = document.getElementById("said");
const key = document.getElementById("key");

const queue = [];
let busy = false;

document.documentElement.classList.add("scripted");
input.multiple = true;
input.required = false;
for (const button of document.querySelectorAll("[data-needs-script]")) button.disabled = false;
const optional = document.getElementById("optional-key");
if (optional) optional.hidden = false;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  take(input.files);
});
input.addEventListener("change", () => take(input.files));
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    if (name === "drop" || event.relatedTarget === null) drop.classList.remove("over");
  });
}
document.addEventListener("drop", (event) => take(event.dataTransfer.files));

async function take(files) {
  const all = [...files];
  input.value = "";
  const { beside, taken } = await belonging(all);
  const chosen = all.filter((file) => !taken.has(file));
  const alone = chosen.length === 1;
  for (const file of chosen) {
    const item = made("li", "");
    const detached = beside.get(file) || [];
    const one = { file, detached, item, alone, html: "", at: "", language: document.documentElement.lang };
    one.state = made("p", "state", words.waiting);
    one.progress = made("progress", "");
    one.progress.max = 1;
    one.progress.value = 0;
    one.progress.setAttribute("aria-label", file.name);
    item.append(made("p", "name", file.name));
    if (detached.length) item.append(made("p", "note", `${words.with} ${detached.map(([, other]) => other.name).join(", ")}`));
    item.append(one.state, one.progress);
    list.append(item);
    queue.push(one);
  }
  document.getElementById("files").hidden = list.children.length === 0;
  next();
}

// A signature in XML may be over files that stand beside it. Those it names, of the files chosen together with it, go along
// with it, under the name that it has for them; they get no line of their own.
async function belonging(all) {
  const beside = new Map();
  const taken = new Set();
  if (all.length < 2) return { beside, taken };
  for (const file of all) {
    if (!(await file.slice(0, 200).text()).trimStart().startsWith("<")) continue;
    const found = [];
    for (const [, uri] of (await file.text()).matchAll(/\bURI\s*=\s*["']([^"'#]+)["']/g)) {
      const name = plain(uri);
      const other = all.find((one) => one !== file && one.name.normalize("NFC") === name.split("/").pop());
      if (other && !found.some(([known]) => known === name)) found.push([name, other]);
    }
    if (found.length) beside.set(file, found);
  }
  for (const found of beside.values()) for (const [, other] of found) if (!beside.has(other)) taken.add(other);
  return { beside, taken };
}

// A URI as the name of a file: without XML's references and percent signs.
function plain(uri) {
  const text = uri.replaceAll("&amp;", "&");
  try {
    return decodeURIComponent(text).normalize("NFC");
  } catch {
    return text.normalize("NFC");
  }
}

function next() {
  if (busy || queue.length === 0) return;
  busy = true;
  const one = queue.shift();
  send(one, "text/html", (answer) => {
    busy = false;
    finish(one, answer);
    next();
  });
}

// One request: how far the upload is, then that the document is being verified, then the answer.
function send(one, kind, done) {
  const body = new FormData();
  body.append("document", one.file, one.file.name);
  for (const [name, other] of one.detached) body.append("detached", other, name);
  if (one.at) body.append("options", JSON.stringify({ at: one.at }));
  const request = new XMLHttpRequest();
  request.open("POST", `/v1/verifications?lang=${one.language}`);
  request.setRequestHeader("Accept", kind);
  if (key && key.value.trim()) request.setRequestHeader("Authorization", `Bearer ${key.value.trim()}`);
  request.responseType = kind === "text/html" ? "text" : "blob";
  if (one.progress) {
    one.state.textContent = words.uploading;
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) one.progress.value = event.loaded / event.total;
    });
    request.upload.addEventListener("load", () => {
      one.progress.removeAttribute("value");
      one.state.textContent = words.verifying;
    });
  }
  request.addEventListener("load", () => done(request));
  request.addEventListener("error", () => done(null));
  request.send(body);
}

function finish(one, answer) {
  one.progress.remove();
  one.progress = null;
  // DOMParser runs no script, and this page's policy allows none but its own.
  const page = answer && new DOMParser().parseFromString(answer.response, "text/html").querySelector("main.report");
  if (!page) {
    told(one, "bad", words.failed, words.connection);
    return;
  }
  const passed = answer.status === 200;
  one.html = answer.response;
  one.page = page;
  one.at = page.dataset.at || "";
  const word = page.querySelector(".word").textContent.trim();
  told(one, passed ? page.dataset.tone : "bad", word, page.querySelector(".sentence").textContent.trim());
  const actions = made("div", "actions");
  actions.append(action(words.read, () => show(one, true)));
  if (passed) {
    for (const [kind, name, ending] of downloads) {
      actions.append(action(`${words.download} ${name}`, (event) => save(one, kind, ending, event.currentTarget)));
    }
  }
  one.item.append(actions);
  if (one.alone) show(one, false);
}

function told(one, tone, word, sentence) {
  one.item.className = tone;
  one.state.textContent = `${word}. ${sentence}`;
  said.textContent = `${one.file.name}: ${word}. ${sentence}`;
}

function show(one, focus) {
  shown.replaceChildren(...one.page.cloneNode(true).childNodes);
  shown.hidden = false;
  if (focus) shown.focus({ preventScroll: true });
  shown.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function save(one, kind, ending, button) {
  const name = `${one.file.name}.report.${ending}`;
  if (kind === "text/html") {
    hand(new Blob([one.html], { type: "text/html" }), name);
    return;
  }
  button.disabled = true;
  send(one, kind, (answer) => {
    button.disabled = false;
    if (answer && answer.status === 200) hand(answer.response, name);
    else said.textContent = words.connection;
  });
}

function hand(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function action(label, act) {
  const button = made("button", "quiet", label);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

function made(tag, style, text) {
  const element = document.createElement(tag);
  if (style) element.className = style;
  if (text) element.textContent = text;
  return element;
}
