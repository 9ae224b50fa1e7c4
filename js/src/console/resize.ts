/**
 * Calls `work` in the frame after an element's size has changed. Work that changes sizes again within the observer's own call
 * would be an error event of the page.
 */
export function onResize(element: Element, work: () => void): () => void {
  let frame = 0;
  const observer = new ResizeObserver(() => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(work);
  });
  observer.observe(element);
  return () => {
    observer.disconnect();
    cancelAnimationFrame(frame);
  };
}
