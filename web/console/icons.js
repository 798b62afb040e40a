/**
 * The line drawings that only the console has; the others are those of elements.js.
 *
 * They are for eyes only. The rule that must not break: a button that shows one has a name too.
 */
export const CONSOLE_ICONS = Object.freeze({
  alertSound: ["M5 9.5v5h3.5L13 18.5v-13L8.5 9.5z", "M16.5 9a4 4 0 0 1 0 6", "M19 6.5a8 8 0 0 1 0 11"],
  alertNotices: ["M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15z", "M10 20.5h4"],
  theme: ["M12 3.5a8.5 8.5 0 1 0 .01 0z", "M12 4v16a8 8 0 0 0 0-16z"],
  leave: ["M10 4.5H6a1.5 1.5 0 0 0-1.5 1.5v12A1.5 1.5 0 0 0 6 19.5h4", "M14 8l4.5 4-4.5 4M18 12H9.5"],
});
