// The wait after too many attempts: counted down, with the button at rest until it is over.

const clock = document.querySelector("[data-countdown]");
const forms = document.querySelectorAll("form[data-throttled]");
const over = performance.now() + Number(clock.dataset.countdown) * 1000;
let waits = true;

for (const form of forms) {
  // Before page.js hears of it, which would take the form for sent.
  const hold = (event) => {
    if (waits) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  };
  form.addEventListener("submit", hold, true);
  form.querySelector("[type=submit]").setAttribute("aria-disabled", "true");
}

const show = () => {
  const left = Math.max(0, Math.ceil((over - performance.now()) / 1000));
  clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  if (left > 0) {
    return;
  }
  waits = false;
  clearInterval(timer);
  document.querySelector("[data-countdown-running]").hidden = true;
  document.querySelector("[data-countdown-over]").hidden = false;
  for (const form of forms) {
    form.querySelector("[type=submit]").removeAttribute("aria-disabled");
  }
};
const timer = setInterval(show, 250);
show();
