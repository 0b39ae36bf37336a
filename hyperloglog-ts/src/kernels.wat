;; The hot loops of hyperloglog-ts, in WebAssembly with 128-bit SIMD. `npm run kernels` assembles this file and writes
;; src/kernels-wasm.ts; a test checks that the two match. src/kernels-typescript.ts has the same functions in plain
;; TypeScript, and property tests compare the results.
;;
;; The module owns only its memory. The first 1 KiB is used by $histogram, the next 2 KiB by $mergeMarked; the caller
;; places everything else, and leaves at least 32 readable and writable bytes after every buffer it names.
(module
  (memory (export "memory") 1)
  (start $fill_ranks)

  ;; MurmurHash3 x64-128 from its two states to the coupon: 26 bits of h1 as address, and as value one more than the
  ;; leading zeros of h2, at most 63. The 64-bit finalizer is written out twice, interleaved: the engine does not inline
  ;; calls, and two independent chains of multiplications run in parallel.
  (func $coupon (param $h1 i64) (param $h2 i64) (param $length i64) (result i32)
    (local.set $h1 (i64.xor (local.get $h1) (local.get $length)))
    (local.set $h2 (i64.xor (local.get $h2) (local.get $length)))
    (local.set $h1 (i64.add (local.get $h1) (local.get $h2)))
    (local.set $h2 (i64.add (local.get $h2) (local.get $h1)))

    (local.set $h1 (i64.xor (local.get $h1) (i64.shr_u (local.get $h1) (i64.const 33))))
    (local.set $h2 (i64.xor (local.get $h2) (i64.shr_u (local.get $h2) (i64.const 33))))
    (local.set $h1 (i64.mul (local.get $h1) (i64.const 0xff51afd7ed558ccd)))
    (local.set $h2 (i64.mul (local.get $h2) (i64.const 0xff51afd7ed558ccd)))
    (local.set $h1 (i64.xor (local.get $h1) (i64.shr_u (local.get $h1) (i64.const 33))))
    (local.set $h2 (i64.xor (local.get $h2) (i64.shr_u (local.get $h2) (i64.const 33))))
    (local.set $h1 (i64.mul (local.get $h1) (i64.const 0xc4ceb9fe1a85ec53)))
    (local.set $h2 (i64.mul (local.get $h2) (i64.const 0xc4ceb9fe1a85ec53)))
    (local.set $h1 (i64.xor (local.get $h1) (i64.shr_u (local.get $h1) (i64.const 33))))
    (local.set $h2 (i64.xor (local.get $h2) (i64.shr_u (local.get $h2) (i64.const 33))))

    (local.set $h1 (i64.add (local.get $h1) (local.get $h2)))
    (local.set $h2 (i64.add (local.get $h2) (local.get $h1)))
    (i32.or
      (i32.and (i32.wrap_i64 (local.get $h1)) (i32.const 0x3ffffff))
      (i32.shl
        (i32.add (i32.wrap_i64 (i64.clz (i64.or (local.get $h2) (i64.const 2)))) (i32.const 1))
        (i32.const 26))))

  ;; MurmurHash3 scrambles each half of a block before it enters a state.
  (func $scramble1 (param $k i64) (result i64)
    (i64.mul
      (i64.rotl (i64.mul (local.get $k) (i64.const 0x87c37b91114253d5)) (i64.const 31))
      (i64.const 0x4cf5ad432745937f)))
  (func $scramble2 (param $k i64) (result i64)
    (i64.mul
      (i64.rotl (i64.mul (local.get $k) (i64.const 0x4cf5ad432745937f)) (i64.const 33))
      (i64.const 0x87c37b91114253d5)))

  ;; The coupon of one 64-bit integer from two 32-bit halves, so that JavaScript need not create a BigInt. Eight bytes
  ;; are all tail and no block.
  (func (export "couponOfInt64") (param $low i32) (param $high i32) (result i32)
    (call $coupon
      (i64.xor (i64.const 9001) (call $scramble1 (i64.or
        (i64.extend_i32_u (local.get $low))
        (i64.shl (i64.extend_i32_u (local.get $high)) (i64.const 32)))))
      (i64.const 9001)
      (i64.const 8)))

  ;; out[i] = coupon of the 64-bit integer in[i].
  (func (export "couponsOfInt64s") (param $in i32) (param $out i32) (param $count i32)
    (local $end i32) (local $k i64)
    (local.set $end (i32.add (local.get $in) (i32.shl (local.get $count) (i32.const 3))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $in) (local.get $end)))
        (local.set $k (i64.mul (i64.load (local.get $in)) (i64.const 0x87c37b91114253d5)))
        (local.set $k (i64.mul (i64.rotl (local.get $k) (i64.const 31)) (i64.const 0x4cf5ad432745937f)))
        (i32.store (local.get $out) (call $coupon
          (i64.xor (i64.const 9001) (local.get $k))
          (i64.const 9001)
          (i64.const 8)))
        (local.set $in (i32.add (local.get $in) (i32.const 8)))
        (local.set $out (i32.add (local.get $out) (i32.const 4)))
        (br $next))))

  ;; The first $count bytes, 1 to 8, of the word at $at.
  (func $load_bytes (param $at i32) (param $count i32) (result i64)
    (i64.and
      (i64.load (local.get $at))
      (i64.shr_u
        (i64.const -1)
        (i64.extend_i32_u (i32.shl (i32.sub (i32.const 8) (local.get $count)) (i32.const 3))))))

  ;; The coupon of $length bytes. No bytes have no coupon: 0.
  (func $coupon_of_bytes (export "couponOfBytes") (param $at i32) (param $length i32) (result i32)
    (local $h1 i64) (local $h2 i64) (local $last i32) (local $rest i32)
    (if (i32.eqz (local.get $length)) (then (return (i32.const 0))))
    (local.set $h1 (i64.const 9001))
    (local.set $h2 (i64.const 9001))
    (local.set $last (i32.add (local.get $at) (i32.and (local.get $length) (i32.const -16))))
    (block $tail
      (loop $block
        (br_if $tail (i32.ge_u (local.get $at) (local.get $last)))
        (local.set $h1 (i64.xor (local.get $h1) (call $scramble1 (i64.load (local.get $at)))))
        (local.set $h1 (i64.add (i64.rotl (local.get $h1) (i64.const 27)) (local.get $h2)))
        (local.set $h1 (i64.add (i64.mul (local.get $h1) (i64.const 5)) (i64.const 0x52dce729)))
        (local.set $h2 (i64.xor (local.get $h2) (call $scramble2 (i64.load offset=8 (local.get $at)))))
        (local.set $h2 (i64.add (i64.rotl (local.get $h2) (i64.const 31)) (local.get $h1)))
        (local.set $h2 (i64.add (i64.mul (local.get $h2) (i64.const 5)) (i64.const 0x38495ab5)))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $block)))
    (local.set $rest (i32.and (local.get $length) (i32.const 15)))
    (if (i32.gt_u (local.get $rest) (i32.const 8))
      (then
        (local.set $h2 (i64.xor (local.get $h2) (call $scramble2
          (call $load_bytes (i32.add (local.get $at) (i32.const 8)) (i32.sub (local.get $rest) (i32.const 8))))))
        (local.set $rest (i32.const 8))))
    (if (local.get $rest)
      (then
        (local.set $h1 (i64.xor (local.get $h1) (call $scramble1
          (call $load_bytes (local.get $at) (local.get $rest)))))))
    (call $coupon (local.get $h1) (local.get $h2) (i64.extend_i32_u (local.get $length))))

  ;; out[i] = coupon of the bytes from ends[i] to ends[i + 1], both counted from $data.
  (func (export "couponsOfSpans") (param $data i32) (param $ends i32) (param $out i32) (param $count i32)
    (local $from i32) (local $to i32) (local $stop i32)
    (local.set $stop (i32.add (local.get $ends) (i32.shl (local.get $count) (i32.const 2))))
    (local.set $from (i32.load (local.get $ends)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $ends) (local.get $stop)))
        (local.set $to (i32.load offset=4 (local.get $ends)))
        (i32.store (local.get $out) (call $coupon_of_bytes
          (i32.add (local.get $data) (local.get $from))
          (i32.sub (local.get $to) (local.get $from))))
        (local.set $from (local.get $to))
        (local.set $ends (i32.add (local.get $ends) (i32.const 4)))
        (local.set $out (i32.add (local.get $out) (i32.const 4)))
        (br $next))))

  ;; into[i] = max(into[i], from[i]) for $length bytes, a multiple of 16. Returns nonzero if a byte of $from is
  ;; over 63, which no register can be.
  (func (export "maxMerge") (param $into i32) (param $from i32) (param $length i32) (result i32)
    (local $end i32) (local $seen v128) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $end (i32.add (local.get $into) (i32.and (local.get $length) (i32.const -64))))
    (block $small
      (loop $next64
        (br_if $small (i32.ge_u (local.get $into) (local.get $end)))
        (local.set $a (v128.load (local.get $from)))
        (local.set $b (v128.load offset=16 (local.get $from)))
        (local.set $c (v128.load offset=32 (local.get $from)))
        (local.set $d (v128.load offset=48 (local.get $from)))
        (local.set $seen (v128.or (local.get $seen) (v128.or
          (v128.or (local.get $a) (local.get $b))
          (v128.or (local.get $c) (local.get $d)))))
        (v128.store (local.get $into) (i8x16.max_u (v128.load (local.get $into)) (local.get $a)))
        (v128.store offset=16 (local.get $into)
          (i8x16.max_u (v128.load offset=16 (local.get $into)) (local.get $b)))
        (v128.store offset=32 (local.get $into)
          (i8x16.max_u (v128.load offset=32 (local.get $into)) (local.get $c)))
        (v128.store offset=48 (local.get $into)
          (i8x16.max_u (v128.load offset=48 (local.get $into)) (local.get $d)))
        (local.set $from (i32.add (local.get $from) (i32.const 64)))
        (local.set $into (i32.add (local.get $into) (i32.const 64)))
        (br $next64)))
    (local.set $end (i32.add (local.get $into) (i32.and (local.get $length) (i32.const 63))))
    (block $done
      (loop $next16
        (br_if $done (i32.ge_u (local.get $into) (local.get $end)))
        (local.set $a (v128.load (local.get $from)))
        (local.set $seen (v128.or (local.get $seen) (local.get $a)))
        (v128.store (local.get $into) (i8x16.max_u (v128.load (local.get $into)) (local.get $a)))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (local.set $into (i32.add (local.get $into) (i32.const 16)))
        (br $next16)))
    (v128.any_true (v128.and (local.get $seen) (i8x16.splat (i32.const 0xc0)))))

  ;; The table of $mergeMarked, at 1024: for each of 256 sets of eight lanes, eight bytes that say which of the next
  ;; values each lane takes. A lane that takes none has 128, which $mergeMarked turns into 0.
  (func $fill_ranks
    (local $marks i32) (local $lane i32)
    (loop $next
      (i32.store8 offset=1024
        (i32.or (i32.shl (local.get $marks) (i32.const 3)) (local.get $lane))
        (select
          (i32.popcnt (i32.and
            (local.get $marks)
            (i32.sub (i32.shl (i32.const 1) (local.get $lane)) (i32.const 1))))
          (i32.const 128)
          (i32.and (i32.shr_u (local.get $marks) (local.get $lane)) (i32.const 1))))
      (local.set $lane (i32.and (i32.add (local.get $lane) (i32.const 1)) (i32.const 7)))
      (local.set $marks (i32.add (local.get $marks) (i32.eqz (local.get $lane))))
      (br_if $next (i32.lt_u (local.get $marks) (i32.const 256)))))

  ;; into[i] = max(into[i], the next of $values) for each i whose bit in $marks is set; $length bytes, a multiple of 16,
  ;; and an eighth as many bytes of marks. Returns the number of bits set. A swizzle places 16 lanes at a time; it is
  ;; branch-free, so its cost does not depend on how many are marked.
  (func (export "mergeMarked") (param $into i32) (param $marks i32) (param $values i32) (param $length i32) (result i32)
    (local $end i32) (local $next i32) (local $low i32) (local $high i32)
    (local.set $end (i32.add (local.get $into) (local.get $length)))
    (local.set $next (local.get $values))
    (block $done
      (loop $next16
        (br_if $done (i32.ge_u (local.get $into) (local.get $end)))
        (local.set $low (i32.load8_u (local.get $marks)))
        (local.set $high (i32.load8_u offset=1 (local.get $marks)))
        (v128.store (local.get $into) (i8x16.max_u
          (v128.load (local.get $into))
          (i8x16.swizzle
            (v128.load (local.get $next))
            (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
              (v128.load64_zero offset=1024 (i32.shl (local.get $low) (i32.const 3)))
              (i8x16.add
                (v128.load64_zero offset=1024 (i32.shl (local.get $high) (i32.const 3)))
                (i8x16.splat (i32.popcnt (local.get $low))))))))
        (local.set $next (i32.add
          (local.get $next)
          (i32.add (i32.popcnt (local.get $low)) (i32.popcnt (local.get $high)))))
        (local.set $marks (i32.add (local.get $marks) (i32.const 2)))
        (local.set $into (i32.add (local.get $into) (i32.const 16)))
        (br $next16)))
    (i32.sub (local.get $next) (local.get $values)))

  ;; Unpacks each byte into two, the low nibble first, each with $base added: $length bytes become twice as many. Works
  ;; in steps of 16 bytes, so up to 30 bytes after the result are overwritten.
  (func (export "unpackNibbles") (param $into i32) (param $from i32) (param $length i32) (param $base i32)
    (local $end i32) (local $low v128) (local $high v128)
    (local.set $end (i32.add (local.get $from) (local.get $length)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $high (v128.load (local.get $from)))
        (local.set $low (i8x16.add
          (v128.and (local.get $high) (i8x16.splat (i32.const 15)))
          (i8x16.splat (local.get $base))))
        (local.set $high (i8x16.add
          (i8x16.shr_u (local.get $high) (i32.const 4))
          (i8x16.splat (local.get $base))))
        (v128.store (local.get $into)
          (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $low) (local.get $high)))
        (v128.store offset=16 (local.get $into)
          (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31 (local.get $low) (local.get $high)))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (local.set $into (i32.add (local.get $into) (i32.const 32)))
        (br $next))))

  ;; Running sums of $count varints (LEB128, below 2^32) as 32-bit integers. Returns the position after the last varint.
  ;; Four bytes are examined together, without a branch on how many of them form one number: with sorted coupons,
  ;; lengths of three and four bytes alternate at random.
  (func (export "sumVarints") (param $into i32) (param $from i32) (param $count i32) (result i32)
    (local $end i32) (local $word i32) (local $ends i32) (local $sum i32)
    (local.set $end (i32.add (local.get $into) (i32.shl (local.get $count) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $into) (local.get $end)))
        (local.set $word (i32.load (local.get $from)))
        (local.set $ends (i32.and
          (i32.xor (local.get $word) (i32.const -1))
          (i32.const 0x80808080)))
        (if (i32.eqz (local.get $ends))
          (then
            (local.set $sum (i32.add
              (local.get $sum)
              (i32.shl (i32.load8_u offset=4 (local.get $from)) (i32.const 28))))
            (local.set $from (i32.add (local.get $from) (i32.const 1)))))
        (local.set $word (i32.and
          (local.get $word)
          (i32.and
            (i32.sub (local.get $ends) (i32.const 1))
            (i32.xor (local.get $ends) (i32.const -1)))))
        (local.set $sum (i32.add
          (local.get $sum)
          (i32.or
            (i32.or
              (i32.and (local.get $word) (i32.const 0x7f))
              (i32.and (i32.shr_u (local.get $word) (i32.const 1)) (i32.const 0x3f80)))
            (i32.or
              (i32.and (i32.shr_u (local.get $word) (i32.const 2)) (i32.const 0x1fc000))
              (i32.and (i32.shr_u (local.get $word) (i32.const 3)) (i32.const 0xfe00000))))))
        (local.set $from (i32.add
          (local.get $from)
          (i32.shr_u (i32.add (i32.ctz (local.get $ends)) (i32.const 1)) (i32.const 3))))
        (i32.store (local.get $into) (local.get $sum))
        (local.set $into (i32.add (local.get $into) (i32.const 4)))
        (br $next)))
    (local.get $from))

  ;; Counts how often each value 0..63 occurs among $length bytes (a multiple of 8): 64 counters at address 0. Four
  ;; tables are filled in turn, so that equal neighbours do not wait for each other, then summed. $cell is the position
  ;; of a byte's counter in its table: four times the byte.
  (func (export "histogram") (param $from i32) (param $length i32)
    (local $end i32) (local $low i32) (local $high i32) (local $cell i32)
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 1024))
    (local.set $end (i32.add (local.get $from) (local.get $length)))
    (block $counted
      (loop $next
        (br_if $counted (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $low (i32.load (local.get $from)))
        (local.set $high (i32.load offset=4 (local.get $from)))
        (local.set $cell (i32.and (i32.shl (local.get $low) (i32.const 2)) (i32.const 252)))
        (i32.store offset=0 (local.get $cell) (i32.add (i32.load offset=0 (local.get $cell)) (i32.const 1)))
        (local.set $cell (i32.and (i32.shr_u (local.get $low) (i32.const 6)) (i32.const 252)))
        (i32.store offset=256 (local.get $cell) (i32.add (i32.load offset=256 (local.get $cell)) (i32.const 1)))
        (local.set $cell (i32.and (i32.shr_u (local.get $low) (i32.const 14)) (i32.const 252)))
        (i32.store offset=512 (local.get $cell) (i32.add (i32.load offset=512 (local.get $cell)) (i32.const 1)))
        (local.set $cell (i32.and (i32.shr_u (local.get $low) (i32.const 22)) (i32.const 252)))
        (i32.store offset=768 (local.get $cell) (i32.add (i32.load offset=768 (local.get $cell)) (i32.const 1)))
        (local.set $cell (i32.and (i32.shl (local.get $high) (i32.const 2)) (i32.const 252)))
        (i32.store offset=0 (local.get $cell) (i32.add (i32.load offset=0 (local.get $cell)) (i32.const 1)))
        (local.set $cell (i32.and (i32.shr_u (local.get $high) (i32.const 6)) (i32.const 252)))
        (i32.store offset=256 (local.get $cell) (i32.add (i32.load offset=256 (local.get $cell)) (i32.const 1)))
        (local.set $cell (i32.and (i32.shr_u (local.get $high) (i32.const 14)) (i32.const 252)))
        (i32.store offset=512 (local.get $cell) (i32.add (i32.load offset=512 (local.get $cell)) (i32.const 1)))
        (local.set $cell (i32.and (i32.shr_u (local.get $high) (i32.const 22)) (i32.const 252)))
        (i32.store offset=768 (local.get $cell) (i32.add (i32.load offset=768 (local.get $cell)) (i32.const 1)))
        (local.set $from (i32.add (local.get $from) (i32.const 8)))
        (br $next)))
    (local.set $cell (i32.const 0))
    (loop $sum
      (v128.store (local.get $cell) (i32x4.add
        (i32x4.add (v128.load (local.get $cell)) (v128.load offset=256 (local.get $cell)))
        (i32x4.add (v128.load offset=512 (local.get $cell)) (v128.load offset=768 (local.get $cell)))))
      (local.set $cell (i32.add (local.get $cell) (i32.const 16)))
      (br_if $sum (i32.lt_u (local.get $cell) (i32.const 256)))))
)
