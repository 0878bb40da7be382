import { hashComponents, load } from '@fingerprintjs/fingerprintjs';
import { deviceHeader } from './device-header.ts';
const TIMEOUT_MS = 1000;
/** Hexadecimal digits of a component's hash: enough to see a change, too few to look a value up. */
const COMPONENT_DIGITS = 4;
/** With fewer groups than this, the fingerprint would be that of the blocker rather than of the device. */
const LEAST_GROUPS = 4;
/**
 * Sources of the fingerprint. Left out is what changes on one device from hour to hour or from page to page: the screen in use, its
 * colours and density, accessibility settings, time zone, headphones, storage and content blockers, and whatever only HTTPS pages see.
 */
const FINGERPRINT_SOURCES = [
    'architecture',
    'audio',
    'canvas',
    'cpuClass',
    'dateTimeLocale',
    'fonts',
    'hardwareConcurrency',
    'languages',
    'math',
    'osCpu',
    'pdfViewerEnabled',
    'platform',
    'plugins',
    'touchSupport',
    'vendor',
    'vendorFlavors',
    'webGlBasics',
    'webGlExtensions',
];
/** Eight groups, as many as Stepgate keeps of a device, so that one change in a group weighs an eighth. */
const GROUPS = {
    audio: ['audio'],
    browser: ['vendor', 'vendorFlavors', 'plugins', 'pdfViewerEnabled'],
    canvas: ['canvas'],
    fonts: ['fonts'],
    locale: ['languages', 'dateTimeLocale', 'timezone'],
    machine: ['architecture', 'cpuClass', 'hardwareConcurrency', 'math', 'osCpu', 'platform', 'touchSupport'],
    screen: ['screenResolution', 'colorDepth'],
    webgl: ['webGlBasics', 'webGlExtensions'],
};
/**
 * Reads what the browser shows of its device. Sends nothing, stores nothing, and never rejects: where it cannot tell, it says so.
 * Each call looks anew.
 */
export async function collectDevice({ timeoutMs = TIMEOUT_MS, detectBot } = {}) {
    if (typeof window === 'undefined' || typeof document === 'undefined')
        return absent('no_window');
    const looked = Promise.all([look(), detectBot === undefined ? null : detectBot().catch(() => null)]);
    const [traits, bot] = await within(timeoutMs, looked, [absent('timed_out'), null]);
    if ('state' in traits)
        return traits;
    return { state: 'collected', ...traits, bot, header: deviceHeader({ ...traits, bot }) };
}
async function look() {
    let result;
    try {
        // The free library otherwise tells its maker of one load in a thousand.
        const agent = await load({ monitoring: false });
        result = await agent.get();
    }
    catch {
        return absent('blocked');
    }
    const found = { ...result.components, webGlExtensions: withoutAttributes(result.components.webGlExtensions) };
    const components = {};
    for (const [name, sources] of Object.entries(GROUPS)) {
        const group = only(found, sources);
        if (Object.values(group).some(isUnseen) || (name === 'canvas' && !showsPictures(group)))
            continue;
        components[name] = hashComponents(group).slice(0, COMPONENT_DIGITS);
    }
    if (Object.keys(components).length < LEAST_GROUPS)
        return absent('blocked');
    const fingerprint = hashComponents(only(found, FINGERPRINT_SOURCES));
    return { fingerprint, confidence: result.confidence.score, components };
}
/** A source that threw, or that says by a negative number why it has no value. */
function isUnseen(component) {
    return 'error' in component || (typeof component.value === 'number' && component.value < 0);
}
/**
 * False where the browser hands out something else than what was drawn: it is the same in every such browser, whatever the machine. The
 * library says so in words; some browsers give one and the same picture for everything.
 */
function showsPictures({ canvas }) {
    if (canvas === undefined || 'error' in canvas)
        return false;
    const { geometry, text } = canvas.value;
    return isPicture(geometry) && isPicture(text) && drawingShows();
}
function isPicture(value) {
    return value.startsWith('data:image/');
}
function drawingShows() {
    const canvas = document.createElement('canvas');
    const blank = canvas.toDataURL();
    canvas.getContext('2d')?.fillRect(0, 0, canvas.width / 2, canvas.height);
    return canvas.toDataURL() !== blank;
}
/** What was asked of WebGL, not what the device is: Chromium gives frames of another site another power preference. */
function withoutAttributes(extensions) {
    if ('error' in extensions || typeof extensions.value === 'number')
        return extensions;
    return { ...extensions, value: { ...extensions.value, contextAttributes: [] } };
}
function only(components, names) {
    return Object.fromEntries(names.map((name) => [name, components[name]]));
}
function absent(why) {
    return { state: 'absent', why, header: null };
}
async function within(timeoutMs, work, late) {
    let timer;
    const limit = new Promise((resolve) => {
        timer = setTimeout(() => resolve(late), timeoutMs);
    });
    try {
        return await Promise.race([work, limit]);
    }
    finally {
        clearTimeout(timer);
    }
}
