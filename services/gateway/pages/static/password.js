// Showing the password while it is typed: better than typing it wrong three times.

const toggle = document.querySelector("[data-reveal]");
const field = document.getElementById(toggle.getAttribute("aria-controls"));
toggle.hidden = false;

toggle.addEventListener("click", () => {
  const shown = field.type === "text";
  field.type = shown ? "password" : "text";
  toggle.setAttribute("aria-pressed", String(!shown));
});

// A password that is shown would be kept by the browser as if it were an ordinary text.
field.form.addEventListener("submit", () => {
  field.type = "password";
});
