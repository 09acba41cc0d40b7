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

// What is drawn on the pictures: the slider hides shapes that a model is less sure of, the switch hides them all.
page.addEventListener('input', (event) => {
  if (event.target.id === 'ow-confidence') show(event.target);
  if (event.target.id === 'ow-overlay')
    for (const box of element.querySelectorAll('.ow-gallery')) box.classList.toggle('ow-bare', !event.target.checked);
});

const show = (slider) => {
  const least = Number(slider.value);
  element.querySelector('output[for="ow-confidence"]').value = `${least}\u00a0%`;
  slider.setAttribute('aria-valuetext', `${least} percent`);
  for (const shape of element.querySelectorAll('.ow-gallery [data-score]'))
    shape.classList.toggle('ow-unsure-shape', 100 * Number(shape.dataset.score) < least);
};

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
