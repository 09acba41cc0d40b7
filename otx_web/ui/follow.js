// A log that grows stays at its end, unless the reader has scrolled up.
let follow = true;
element.addEventListener('scroll', (event) => {
  const box = event.target;
  follow = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
}, true);
watch('value', () => {
  const box = element.querySelector('pre');
  if (box && follow) box.scrollTop = box.scrollHeight;
});
