/** Whether the refusal says nothing about the token: the keys to judge it by cannot be had now. */
export function isHeldUp({ code }) {
  return code === 'keys_unavailable' || code === 'keys_cooling';
}
