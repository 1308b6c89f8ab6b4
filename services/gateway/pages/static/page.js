// On every page: what only scripts can do is shown, times become local, a form is sent once.

for (const element of document.querySelectorAll("[data-needs-script]")) {
  element.hidden = false;
}

// The language of the page, as it is written where the reader lives.
const language = document.documentElement.lang;
const place = navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;
const local = new Intl.DateTimeFormat(place, { dateStyle: "long", timeStyle: "short" });
for (const time of document.querySelectorAll("time[data-local]")) {
  time.textContent = local.format(new Date(time.dateTime));
}

document.querySelector("[data-focus]")?.focus();

// A second press while the answer is on its way would use up a code that is good only once.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    form.querySelector("[type=submit]")?.setAttribute("aria-busy", "true");
  });
}

// A page that comes back from the browser's memory has not been sent yet.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("[type=submit]")?.removeAttribute("aria-busy");
  }
});
