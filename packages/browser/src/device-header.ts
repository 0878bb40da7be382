/** The device header; works without a browser. */
export { DEVICE_HEADER, type DeviceTraits, deviceHeader } from '../../../src/contract/device-header.ts';
