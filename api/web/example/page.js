// What the host page does with the element's events. What it believes, its system asks of the service, or is told by a callback:
// anybody can send an event in a browser.
const told = document.getElementById("told");

addEventListener("kyso-document", ({ detail }) => {
  told.textContent = `${detail.id}: ${detail.state}`;
});
addEventListener("kyso-done", ({ detail }) => {
  told.textContent = `Phiên ký đã kết thúc: ${detail.state}`;
});
addEventListener("kyso-error", ({ detail }) => {
  told.textContent = `Mã lỗi: ${detail.code}`;
});
