// The form of settings: what is typed is kept here, so that the server may write the form anew at any time.
// `element`, `trigger` and `watch` come from Gradio; settings are sent and kept in the units of the work.

const CHOICES = ["task", "template", "method"];
const PAUSE = 400; // milliseconds after the last key
const TWICE = 1000; // milliseconds
const MAX_CONFIG = 1 << 20; // bytes
const KEPT = "otx-web-config";
const PATIENCE = 3; // seconds, after which a wait says how long it has taken

let given = {};
let config = null;
let timer = null;
let begun = false; // whether a sample was asked for, which may be before the page's address was read
let sent = false; // whether Start was pressed, so that the first mistake is shown
const opened = new Map();

const controls = () => element.querySelectorAll("[data-name]");
const rescale = (text, factor) =>
  text.trim() !== "" && Number.isFinite(Number(text)) ? String(Number((Number(text) * factor).toPrecision(12))) : text;

function read(control) {
  if (control.type === "checkbox") return String(control.checked);
  const text = control.value.trim();
  return control.dataset.scale ? rescale(text, 1 / Number(control.dataset.scale)) : text;
}

function write(control, text) {
  if (control.type === "checkbox") control.checked = text === "true";
  else if (control.type === "radio") control.checked = control.value === text;
  else {
    const shown = control.dataset.scale ? rescale(text, Number(control.dataset.scale)) : text;
    if (control !== document.activeElement && control.value !== shown) control.value = shown;
  }
}

function effective(name) {
  const found = [...controls()].find((control) => control.dataset.name === name && control.dataset.default);
  return found ? found.dataset.default : "";
}

// The page has just been opened: its address says what was set.
function adopt() {
  const form = element.querySelector("form");
  if (!form || !form.dataset.given) return;
  if (!begun) {
    given = { ...JSON.parse(form.dataset.given), ...given };
    config = form.dataset.config ? JSON.parse(sessionStorage.getItem(KEPT) || "null") : null;
  }
  form.removeAttribute("data-given");
}

// After the server has written the form: what the person chose, opened and typed is put back.
function restore() {
  adopt();
  for (const control of controls()) {
    const name = control.dataset.name;
    write(control, name in given ? given[name] : effective(name));
  }
  for (const details of element.querySelectorAll("details[id]"))
    if (opened.has(details.id)) details.open = opened.get(details.id);
  mark();
  if (sent) showMistake();
  sent = false;
}

function mark() {
  for (const field of element.querySelectorAll(".ow-field")) {
    const control = field.querySelector("[data-name]");
    const changed = control && !CHOICES.includes(control.dataset.name) && control.dataset.name in given;
    field.classList.toggle("ow-is-changed", Boolean(changed));
  }
}

function showMistake() {
  const mistake = [...element.querySelectorAll(".ow-error")].find((line) => line.textContent);
  if (mistake) goTo(mistake.parentElement.querySelector("input, select, textarea") || mistake);
}

function goTo(control) {
  for (let at = control.parentElement; at && at !== element; at = at.parentElement)
    if (at.tagName === "DETAILS") at.open = true;
  control.scrollIntoView({ block: "center", behavior: "smooth" });
  control.focus({ preventScroll: true });
}

function take(control) {
  const name = control.dataset.name;
  const text = read(control);
  if (name === "task") delete given.template; // it is another task's
  if (text === effective(name)) delete given[name];
  else given[name] = text;
  mark();
}

// A rehearsal of what was set before is of no use any more.
function send(pause) {
  clearTimeout(timer);
  trigger("stop");
  timer = setTimeout(() => trigger("edit"), pause);
}

function keep(next) {
  config = next;
  if (config) sessionStorage.setItem(KEPT, JSON.stringify(config));
  else sessionStorage.removeItem(KEPT);
  send(0);
}

// The rest of the page asks for this with every event: [address, configuration file].
window.owOptimise = {
  async collect(starting = false) {
    await new Promise((done) => setTimeout(done)); // what has just come from the server is written by then
    adopt();
    sent = starting;
    if (starting) trigger("stop"); // the job itself needs the machine now
    const query = new URLSearchParams();
    for (const name of CHOICES) if (given[name]) query.append(name, given[name]);
    if (config) query.append("config", config.name);
    for (const [name, text] of Object.entries(given))
      if (!CHOICES.includes(name)) query.append("set", `${name}=${text}`);
    return [query.toString(), config ? JSON.stringify(config) : ""];
  },
  changed() {
    send(0);
  },
  // A sample brings its own task, and begins afresh.
  begin(task) {
    begun = true;
    given = { task };
    config = null;
    sessionStorage.removeItem(KEPT);
  },
};

// What takes long says for how long already.
const since = new WeakMap();
setInterval(() => {
  for (const place of document.querySelectorAll("[data-seconds]")) {
    if (!since.has(place)) since.set(place, performance.now());
    const seconds = Math.round((performance.now() - since.get(place)) / 1000);
    if (seconds >= PATIENCE) place.textContent = ` ${seconds}\u00a0s`;
  }
}, 1000);

element.addEventListener("submit", (event) => event.preventDefault());

element.addEventListener("input", (event) => {
  const control = event.target.closest("[data-name]");
  if (!control) return;
  take(control);
  const typed = control.tagName === "TEXTAREA" || control.type === "text";
  send(typed ? PAUSE : 0);
});

element.addEventListener("change", async (event) => {
  if (event.target.closest("[data-name]")) return send(0);
  if (event.target.id !== "ow-set-config" || !event.target.files.length) return;
  const file = event.target.files[0];
  const line = document.getElementById("ow-set-config-error");
  if (file.size > MAX_CONFIG) {
    line.textContent = `${file.name} is too large for a configuration file.`;
    return;
  }
  keep({ name: file.name, text: await file.text() });
  event.target.value = "";
});

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.undo) {
    delete given[button.dataset.undo];
    for (const control of controls())
      if (control.dataset.name === button.dataset.undo) write(control, effective(button.dataset.undo));
    mark();
    send(0);
  }
  if (button.dataset.remove) keep(null);
});

element.addEventListener(
  "toggle",
  (event) => {
    if (event.target.id) opened.set(event.target.id, event.target.open);
  },
  true,
);

// What a trial proposes, and the person agrees to.
function agree(settings) {
  for (const [name, text] of Object.entries(settings)) {
    given[name] = text;
    for (const control of controls()) if (control.dataset.name === name) write(control, text);
  }
  mark();
  send(0);
}

let pressed = 0;
document.addEventListener(
  "click",
  (event) => {
    const field = event.target.closest("[data-field]");
    const proposal = event.target.closest("[data-settings]");
    if (proposal) agree(JSON.parse(proposal.dataset.settings));
    if (field) goTo(document.getElementById(field.dataset.field) || element);
    if (!event.target.closest(".ow-start button.primary")) return;
    // Both halves of a double click arrive before the first is answered.
    if (event.timeStamp - pressed < TWICE) event.stopPropagation();
    else pressed = event.timeStamp;
  },
  true,
);

watch("value", restore);
restore();
