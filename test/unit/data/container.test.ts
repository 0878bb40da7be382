import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ContainerKind,
  crc32,
  encodeContainer,
  openContainer,
  type Section,
} from '../../../src/data/container.ts';
import { DataError } from '../../../src/data/data-error.ts';

const KIND: ContainerKind = { magic: 0x54534554, what: 'a test file', code: 'test', command: 'make' };

const section: fc.Arbitrary<Section> = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.uint16Array({ maxLength: 20 }),
  fc.uint32Array({ maxLength: 20 }),
  fc.int32Array({ maxLength: 20 }),
  fc.float64Array({ maxLength: 20 }),
);

describe('A container', () => {
  test('A container gives back its sections, wherever its bytes begin', () => {
    fc.assert(
      fc.property(fc.array(section, { maxLength: 5 }), fc.nat({ max: 9 }), (sections, offset) => {
        const bytes = encodeContainer(KIND, sections);
        const shifted = new Uint8Array(bytes.length + offset);
        shifted.set(bytes, offset);
        const next = openContainer(shifted.subarray(offset), KIND);
        const found = sections.map(() => next<Section>(Uint8Array, Uint16Array, Uint32Array, Int32Array, Float64Array));
        expect(found).toEqual(sections);
        expect(() => next<Section>(Uint8Array)).toThrow(expect.objectContaining({ code: 'test_damaged' }));
      }),
    );
  });

  test('A container is refused when any byte is another or any is missing', () => {
    fc.assert(
      fc.property(
        fc.array(section, { maxLength: 4 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (sections, at, flip) => {
          const bytes = encodeContainer(KIND, sections);
          const spot = at % bytes.length;
          expect(() => openContainer(bytes.subarray(0, spot), KIND)).toThrow(DataError);
          bytes[spot] = (bytes[spot] ?? 0) ^ flip;
          expect(() => openContainer(bytes, KIND)).toThrow(DataError);
        },
      ),
    );
  });

  test('A container of an older format is refused with the command that writes it again', () => {
    const bytes = encodeContainer(KIND, []);
    new Uint32Array(bytes.buffer)[1] = 2;
    expect(() => openContainer(bytes, KIND)).toThrow(
      expect.objectContaining({
        code: 'test_version',
        message: 'written in format 2, this version reads format 3; build it again with `make`',
      }),
    );
  });
});

test('The CRC-32 of any bytes is that of zlib', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => crc32(bytes) === zlibCrc32(bytes)));
});
