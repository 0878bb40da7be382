/** The header by which a device is shown; needs no browser. */
export { DEVICE_HEADER, type DeviceTraits, deviceHeader } from '../../../src/contract/device-header.ts';
