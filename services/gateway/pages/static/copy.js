// Copying and printing: what was copied is said where a screen reader hears it.

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const said = button.parentElement.querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(source.dataset.copyText);
      said.textContent = said.dataset.said;
    } catch {
      getSelection().selectAllChildren(source);
      said.textContent = said.dataset.notSaid;
    }
  });
}

document.querySelector("[data-print]")?.addEventListener("click", () => print());
