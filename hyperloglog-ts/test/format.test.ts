// Byte compatibility with Apache DataSketches. The digests are those of the sketches that the C++ library publishes for
// update(0), update(1), ... update(n - 1) at lgK 12; the files themselves, where they are at hand, are read as well.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { HllSketch } from '../src/index.js';
import type { HllType } from '../src/index.js';

const counts = [0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000];

const digests: Readonly<Record<HllType, readonly string[]>> = {
  HLL_4: [
    '0bc11351e49f9b59c0da21d74b62263911a0cc04c8c0fd1155c748024a832af9',
    '207dbcd07951beaeee07b50b625b486eb0aa8ed25bd071f07b329f2543cdfe59',
    '43d5aed57a896d8ae68cc9da5e25510a5ceb53b88e51912af91681d7a914723e',
    '7c48153e3eff1bbdcdf18fd875e3a897c8781a0044c09c666eea6ead4173a3bb',
    '3350c055d03b6199188518dc887e93c46202f25ea7cf92a4a6a4f9c0fcfadc9a',
    '1e2fd433b8b99e3fd6ee625609dfe8a02801021c13be783ae3f82ef8d0c0bdf7',
    '3eb3a197af7138ae4965dd83935c6e56bcfdd919610b84fdcee652c7e5f574c1',
    '15cd6101c4bb59ccc797549c74f61b832eb1f68c4a79d87f2ece21a8e973d9fb',
  ],
  HLL_6: [
    '5ce991b2072b05bdf0ef60ae66e5ec7ed33ddb8c85649eb2bb8a7dc1df05c9ea',
    'dcb52c61649afe034e59cf8ab59660447026e6f11a6b5f1fab6b4b65eb834ec5',
    '8c19b2f42950b447619d357bc295f80394dcfcc9546dfdc81a8156129306f29e',
    '8683c74370978778d69ffb9e985518448bed2672e51cd899e40ecbfed2dd9783',
    'ef8ab42722d1a835525e819f6177eed4aff40e5e5c8e2d526f778c6451fa7e0a',
    'fe8563580f25145464145a7865d09a14c194d11f3b7636267d9a05e496852526',
    'fb12dc3fea766b07276b8542d68b0d3049e37a92b5397b81543cc70028734ee7',
    '825636c3b29cc89e44929ca4dae8a3ef171194a271f31b9ac6dadd5789244907',
  ],
  HLL_8: [
    'a7838f0b9a21f59d0a658f772afa8d34ff64203f231455c257db66b02d58001e',
    'e37b6886cf9a1e11bf2bebb217d8d67587293f05a51d8113cd0ec2b2d71787b8',
    'ce6beaaa76c69f94bc1dfd7df0e95dbcb1d847bb2f3430c2d3eb173898f8f480',
    '501b5b647d48d3e2dddd79052eae7f2221ab4ef08e370ce8c17d9e5e14859b0c',
    '24d27c49de100be807f6471c7d9f25adcb1560c206a1b0928cb817823219960f',
    '697a397d094acd51810e01d7a28e380ca2dbe4c3da956c7af4e6a2917e8f883c',
    '9844b99a4980476e8182a7211fafe57222d644bc7cee71e6424c8d08ddf83c9a',
    '75870f09c0aa81c52ae22757443d0a6adf84ffe72173fbb617cd1d0d0c7c698b',
  ],
};

const files = new URL('../../../../shared/data/hll/', import.meta.url);
const absent = existsSync(files) ? false : 'the published files are not at ../shared/data/hll';

function sketchOfIntegers(count: number): HllSketch {
  const sketch = new HllSketch({ lgK: 12 });
  sketch.updateAll(BigInt64Array.from({ length: count }, (_, i) => BigInt(i)));
  return sketch;
}

for (const [i, count] of counts.entries()) {
  const sketch = sketchOfIntegers(count);

  for (const type of ['HLL_4', 'HLL_6', 'HLL_8'] as const) {
    test(`${count} integers as ${type} are the bytes that the C++ library writes`, () => {
      const digest = createHash('sha256').update(sketch.toBytes({ type })).digest('hex');
      assert.equal(digest, digests[type][i]);
    });
  }

  test(`${count} integers are read alike from every published file`, { skip: absent }, () => {
    for (const type of ['HLL_4', 'HLL_6', 'HLL_8'] as const) {
      for (const language of ['cpp', 'go', 'java']) {
        const name = `${language}/hll${type.slice(-1)}_n${count}_${language}.sk`;
        const read = HllSketch.fromBytes(readFileSync(new URL(name, files)));
        assert.equal(read.estimate(), sketch.estimate(), name);
        assert.equal(read.hipEstimate(), sketch.hipEstimate(), name);
        assert.deepEqual(read.coupons(), sketch.coupons(), name);
        assert.deepEqual(read.registers(), sketch.registers(), name);
      }
    }
  });
}
