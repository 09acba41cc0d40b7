// The job page: what a button says goes to the server as a `submit` event; tabs show one panel, named in the address.
const page = element.closest('.ow-page');

page.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-act]');
  if (button && !button.disabled) {
    button.disabled = true;
    button.setAttribute('aria-busy', 'true');
    trigger('submit', {act: button.dataset.act, number: Number(button.dataset.number ?? -1)});
    // What was refused can be tried again; what was not has led to another page by then.
    setTimeout(() => { button.disabled = false; button.removeAttribute('aria-busy'); }, 4000);
  }
  const tab = event.target.closest('button[data-tab]');
  if (tab) {
    open(tab.dataset.tab);
    const {pathname, search} = window.location; // alone, # would be taken from the page's base
    window.history.replaceState(window.history.state, '', `${pathname}${search}#${tab.dataset.tab}`);
  }
});

page.addEventListener('keydown', (event) => {
  const tab = event.target.closest?.('button[data-tab]');
  const step = {ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity}[event.key];
  if (!tab || step === undefined) return;
  event.preventDefault();
  const tabs = [...element.querySelectorAll('button[data-tab]')];
  const place = tabs.indexOf(tab);
  const next = Number.isFinite(step) ? (place + step + tabs.length) % tabs.length : step < 0 ? 0 : tabs.length - 1;
  tabs[next].click();
  tabs[next].focus();
});

const open = (name) => {
  for (const tab of element.querySelectorAll('button[data-tab]')) {
    const here = tab.dataset.tab === name;
    tab.setAttribute('aria-selected', String(here));
    tab.tabIndex = here ? 0 : -1;
    element.querySelector(`#panel-${tab.dataset.tab}`).hidden = !here;
  }
  toEnd();
};

const toEnd = () => {
  for (const box of element.querySelectorAll('.ow-log pre')) box.scrollTop = box.scrollHeight;
};

const drawn = () => {
  const title = element.querySelector('[data-title]')?.dataset.title;
  if (title) document.title = title;
  const asked = window.location.hash.slice(1);
  toEnd();
  if (asked && element.querySelector(`button[data-tab="${CSS.escape(asked)}"]`)) open(asked);
};
watch('value', drawn);
