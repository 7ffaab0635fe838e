/** Gives a text to the person: as a file, or as a page in a window of its own. */

/**
 * @param {string} name
 * @param {string} type
 * @param {string} text
 */
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.target = '_self';
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** For so long the address of a page is good, milliseconds: until its window has it. */
const SHOWN = 60000;

/**
 * Shows a page in a window of its own. The window opens at once, because a browser takes a later one for an advertisement;
 * where it may not open, the page becomes a file.
 * @param {string} name
 * @param {() => Promise<string>} read
 */
export async function show(name, read) {
  const page = window.open('', '_blank');
  try {
    const text = await read();
    if (!page) return download(name, 'text/html', text);
    const url = URL.createObjectURL(new Blob([text], { type: 'text/html;charset=utf-8' }));
    page.location.replace(url);
    setTimeout(() => URL.revokeObjectURL(url), SHOWN);
  } catch (error) {
    page?.close();
    throw error;
  }
}
