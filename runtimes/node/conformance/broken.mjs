export const handle = (
