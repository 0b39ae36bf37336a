;; SipHash-1-3 with 128 bits of output, over texts in this module's memory. `npm run kernels` assembles this file and
;; writes lib/memory/sip-hash-wasm.ts. One test checks that the two match, another compares the results with an
;; implementation in BigInts (lib/test/sip-hash-by-bigint.ts).
;;
;; Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), and the 128-bit output of its reference
;; implementation. The state is four 64-bit words. Each 8 bytes of the text are a word m: v3 ^= m, one round, v0 ^= m.
;; The last word holds the remaining bytes and, in its high byte, the length modulo 256. Three more rounds give the
;; first half of the hash, another three the second.
;;
;; The round is written out twice, because the engine does not inline calls.
;;
;; The module owns the first 16 bytes of its memory, which hold the key; callers lay out the rest, and leave at least 16
;; readable bytes after every text, because texts are read in steps of 8 and 16 bytes.
(module
  (memory (export "memory") 1)

  ;; The hash of the $length bytes at $at, as 16 bytes at $out.
  (func $hash (export "hash") (param $at i32) (param $length i32) (param $out i32)
    (local $v0 i64) (local $v1 i64) (local $v2 i64) (local $v3 i64)
    (local $word i64) (local $last i32) (local $rounds i32) (local $end i32)
    (local.set $v0 (i64.xor (i64.load (i32.const 0)) (i64.const 0x736f6d6570736575)))
    (local.set $v1 (i64.xor (i64.load (i32.const 8)) (i64.const 0x646f72616e646f83))) ;; ...6d ^ ee, for 128 bits
    (local.set $v2 (i64.xor (i64.load (i32.const 0)) (i64.const 0x6c7967656e657261)))
    (local.set $v3 (i64.xor (i64.load (i32.const 8)) (i64.const 0x7465646279746573)))

    (local.set $last (i32.add (local.get $at) (i32.and (local.get $length) (i32.const -8))))
    (loop $compress
      (local.set $word (i64.load (local.get $at)))
      (if (i32.eq (local.get $at) (local.get $last))
        (then
          (local.set $word (i64.or
            (i64.shl (i64.extend_i32_u (local.get $length)) (i64.const 56))
            (i64.and (local.get $word) (i64.sub
              (i64.shl (i64.const 1) (i64.extend_i32_u (i32.shl (i32.and (local.get $length) (i32.const 7)) (i32.const 3))))
              (i64.const 1)))))))
      (local.set $v3 (i64.xor (local.get $v3) (local.get $word)))

      (local.set $v0 (i64.add (local.get $v0) (local.get $v1)))
      (local.set $v2 (i64.add (local.get $v2) (local.get $v3)))
      (local.set $v1 (i64.xor (i64.rotl (local.get $v1) (i64.const 13)) (local.get $v0)))
      (local.set $v3 (i64.xor (i64.rotl (local.get $v3) (i64.const 16)) (local.get $v2)))
      (local.set $v0 (i64.add (i64.rotl (local.get $v0) (i64.const 32)) (local.get $v3)))
      (local.set $v2 (i64.add (local.get $v2) (local.get $v1)))
      (local.set $v3 (i64.xor (i64.rotl (local.get $v3) (i64.const 21)) (local.get $v0)))
      (local.set $v1 (i64.xor (i64.rotl (local.get $v1) (i64.const 17)) (local.get $v2)))
      (local.set $v2 (i64.rotl (local.get $v2) (i64.const 32)))

      (local.set $v0 (i64.xor (local.get $v0) (local.get $word)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $compress (i32.le_u (local.get $at) (local.get $last))))

    (local.set $v2 (i64.xor (local.get $v2) (i64.const 0xee)))
    (local.set $end (i32.add (local.get $out) (i32.const 16)))
    (loop $half
      (local.set $rounds (i32.const 3))
      (loop $finish
        (local.set $v0 (i64.add (local.get $v0) (local.get $v1)))
        (local.set $v2 (i64.add (local.get $v2) (local.get $v3)))
        (local.set $v1 (i64.xor (i64.rotl (local.get $v1) (i64.const 13)) (local.get $v0)))
        (local.set $v3 (i64.xor (i64.rotl (local.get $v3) (i64.const 16)) (local.get $v2)))
        (local.set $v0 (i64.add (i64.rotl (local.get $v0) (i64.const 32)) (local.get $v3)))
        (local.set $v2 (i64.add (local.get $v2) (local.get $v1)))
        (local.set $v3 (i64.xor (i64.rotl (local.get $v3) (i64.const 21)) (local.get $v0)))
        (local.set $v1 (i64.xor (i64.rotl (local.get $v1) (i64.const 17)) (local.get $v2)))
        (local.set $v2 (i64.rotl (local.get $v2) (i64.const 32)))
        (br_if $finish (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
      (i64.store (local.get $out) (i64.xor
        (i64.xor (local.get $v0) (local.get $v1))
        (i64.xor (local.get $v2) (local.get $v3))))
      (local.set $v1 (i64.xor (local.get $v1) (i64.const 0xdd)))
      (local.set $out (i32.add (local.get $out) (i32.const 8)))
      (br_if $half (i32.lt_u (local.get $out) (local.get $end)))))

  ;; out[i] = the hash of the bytes from starts[i] to ends[i], both counted from $data.
  (func (export "hashSpans") (param $data i32) (param $starts i32) (param $ends i32) (param $out i32) (param $count i32)
    (local $from i32) (local $stop i32)
    (local.set $stop (i32.add (local.get $ends) (i32.shl (local.get $count) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $ends) (local.get $stop)))
        (local.set $from (i32.load (local.get $starts)))
        (call $hash
          (i32.add (local.get $data) (local.get $from))
          (i32.sub (i32.load (local.get $ends)) (local.get $from))
          (local.get $out))
        (local.set $starts (i32.add (local.get $starts) (i32.const 4)))
        (local.set $ends (i32.add (local.get $ends) (i32.const 4)))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (br $next))))

  ;; Hashes the text from $at up to the next quote, the end of a JSON string without escapes. Returns the quote's
  ;; position, or -1 without a hash if there is none before $limit, or if a backslash or a byte that is not printable
  ;; ASCII comes first.
  (func (export "hashQuoted") (param $at i32) (param $limit i32) (param $out i32) (result i32)
    (local $end i32) (local $bytes v128) (local $found i32)
    (local.set $end (local.get $at))
    (block $special
      (loop $scan
        (local.set $bytes (v128.load (local.get $end)))
        (local.set $found (i8x16.bitmask (v128.or
          (v128.or
            (i8x16.lt_s (local.get $bytes) (i8x16.splat (i32.const 0x20))) ;; signed: bytes from 0x80 are less, too
            (i8x16.eq (local.get $bytes) (i8x16.splat (i32.const 0x7f))))
          (v128.or
            (i8x16.eq (local.get $bytes) (i8x16.splat (i32.const 0x22)))
            (i8x16.eq (local.get $bytes) (i8x16.splat (i32.const 0x5c)))))))
        (br_if $special (local.get $found))
        (local.set $end (i32.add (local.get $end) (i32.const 16)))
        (br_if $scan (i32.lt_u (local.get $end) (local.get $limit))))
      (return (i32.const -1)))
    (local.set $end (i32.add (local.get $end) (i32.ctz (local.get $found))))
    (if (i32.ge_u (local.get $end) (local.get $limit)) (then (return (i32.const -1))))
    (if (i32.ne (i32.load8_u (local.get $end)) (i32.const 0x22)) (then (return (i32.const -1))))
    (call $hash (local.get $at) (i32.sub (local.get $end) (local.get $at)) (local.get $out))
    (local.get $end))
)
