// The field for a code, which is sent at its sixth digit, and the ring that shows how long the code will last.

const STEP = 30; // seconds: RFC 6238, section 4.1
const DIGITS = 6;

const field = document.querySelector("[data-code]");
field?.addEventListener("input", () => {
  const digits = field.value.replace(/\D/g, "").slice(0, DIGITS);
  if (digits !== field.value) {
    field.value = digits;
  }
  // While attempts are throttled the button says so, and nothing is sent by itself.
  const button = field.form.querySelector("[type=submit]");
  if (digits.length === DIGITS && button.getAttribute("aria-disabled") !== "true") {
    field.form.requestSubmit(button);
  }
});

const ring = document.querySelector("[data-ring]");
if (ring) {
  const seconds = ring.querySelector("[data-ring-seconds]");
  // The server's clock counts, not that of the machine that the page is read on.
  const ahead = Number(ring.dataset.now) - performance.now();
  const show = () => {
    const left = STEP - (((ahead + performance.now()) / 1000) % STEP);
    ring.style.setProperty("--left", left.toFixed(2));
    ring.classList.toggle("ring-short", left <= 5);
    seconds.textContent = String(Math.ceil(left));
  };
  ring.hidden = false;
  show();
  setInterval(show, 250);
}
