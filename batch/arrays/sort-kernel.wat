;; What a batch run does most: facts sorted by subject and bucket become cells, facts sorted by person and time become visits.
;; `npm run kernels` assembles this file and writes batch/arrays/sort-kernel-wasm.ts; a test holds the two together, another
;; holds the results to a twin in TypeScript (batch/test/kernel-twin.ts). kernel.ts lays the memory out and says what its
;; parts mean.
;;
;; A fact is one 64-bit word, so that sorted words are sorted facts:
;;
;;   for cells    subject, bucket rank (together the high 32 bits) | coupon (the low 32)
;;   for visits   person | bucket rank | millisecond within the bucket (22 bits)
;;
;; A bucket's rank is its place among all buckets of the run; $buckets has the bucket of each rank, as 32 bits.
(module
  (memory (export "memory") 1)
  (global $buckets (mut i32) (i32.const 0))
  (global $bucketBits (mut i32) (i32.const 0))
  (global $maxCoupons (mut i32) (i32.const 0))
  ;; Where the last call of $cells has stopped writing.
  (global $outEnd (export "outEnd") (mut i32) (i32.const 0))
  (global $couponsEnd (export "couponsEnd") (mut i32) (i32.const 0))
  (global $lastBucket (export "lastBucket") (mut i32) (i32.const 0))
  (global $recordsEnd (export "recordsEnd") (mut i32) (i32.const 0))

  (func (export "configure") (param $buckets i32) (param $bucketBits i32) (param $maxCoupons i32)
    (global.set $buckets (local.get $buckets))
    (global.set $bucketBits (local.get $bucketBits))
    (global.set $maxCoupons (local.get $maxCoupons)))

  ;; Sorts $count words at $from by their bits from $shift up to $bits, least significant digit first, so that words
  ;; that are equal in these keep their order. A digit has $width bits, at most 11. There is as much room at $spare, and 8 KiB for
  ;; counts at $counts. Returns where the sorted words lie: at $from or at $spare.
  (func $sort (export "sort") (param $from i32) (param $spare i32) (param $count i32) (param $shift i64) (param $bits i64) (param $counts i32) (param $width i32) (result i32)
    (local $end i32) (local $at i32) (local $slot i32) (local $sum i32) (local $here i32) (local $word i64) (local $to i32)
    (local $mask i32) (local $countsBytes i32)
    (local.set $mask (i32.sub (i32.shl (i32.const 1) (local.get $width)) (i32.const 1)))
    (local.set $countsBytes (i32.shl (i32.const 4) (local.get $width)))
    (if (i32.eqz (local.get $count)) (then (return (local.get $from))))
    (block $sorted
      (loop $digit
        (br_if $sorted (i64.ge_u (local.get $shift) (local.get $bits)))
        (local.set $end (i32.add (local.get $from) (i32.shl (local.get $count) (i32.const 3))))

        (memory.fill (local.get $counts) (i32.const 0) (local.get $countsBytes))
        (local.set $at (local.get $from))
        (loop $tally
          (local.set $slot (i32.add (local.get $counts) (i32.shl
            (i32.and (i32.wrap_i64 (i64.shr_u (i64.load (local.get $at)) (local.get $shift))) (local.get $mask)) (i32.const 2))))
          (i32.store (local.get $slot) (i32.add (i32.load (local.get $slot)) (i32.const 1)))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br_if $tally (i32.lt_u (local.get $at) (local.get $end))))

        ;; Where all words have one digit, $slot counts all of them.
        (if (i32.ne (i32.load (local.get $slot)) (local.get $count))
          (then
            (local.set $sum (local.get $spare))
            (local.set $slot (local.get $counts))
            (local.set $at (i32.add (local.get $counts) (local.get $countsBytes)))
            (loop $place
              (local.set $here (i32.load (local.get $slot)))
              (i32.store (local.get $slot) (local.get $sum))
              (local.set $sum (i32.add (local.get $sum) (i32.shl (local.get $here) (i32.const 3))))
              (local.set $slot (i32.add (local.get $slot) (i32.const 4)))
              (br_if $place (i32.lt_u (local.get $slot) (local.get $at))))

            (local.set $at (local.get $from))
            (loop $deal
              (local.set $word (i64.load (local.get $at)))
              (local.set $slot (i32.add (local.get $counts) (i32.shl
                (i32.and (i32.wrap_i64 (i64.shr_u (local.get $word) (local.get $shift))) (local.get $mask)) (i32.const 2))))
              (local.set $to (i32.load (local.get $slot)))
              (i64.store (local.get $to) (local.get $word))
              (i32.store (local.get $slot) (i32.add (local.get $to) (i32.const 8)))
              (local.set $at (i32.add (local.get $at) (i32.const 8)))
              (br_if $deal (i32.lt_u (local.get $at) (local.get $end))))

            (local.set $at (local.get $from))
            (local.set $from (local.get $spare))
            (local.set $spare (local.get $at))))
        (local.set $shift (i64.add (local.get $shift) (i64.extend_i32_u (local.get $width))))
        (br $digit)))
    (local.get $from))

  ;; Sorts words that are in order of their high halves, [$from, $end), by all bits.
  (func (export "sortRuns") (param $from i32) (param $end i32) (param $spare i32) (param $counts i32)
    (local $next i32) (local $key i32) (local $size i32)
    (block $done
      (loop $run
        (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $key (i32.load offset=4 (local.get $from)))
        (local.set $next (local.get $from))
        (loop $more
          (local.set $next (i32.add (local.get $next) (i32.const 8)))
          (if (i32.lt_u (local.get $next) (local.get $end))
            (then (br_if $more (i32.eq (i32.load offset=4 (local.get $next)) (local.get $key))))))
        (local.set $size (i32.sub (local.get $next) (local.get $from)))
        (if (i32.le_u (local.get $size) (i32.const 640)) ;; 80 words
          (then (call $insert (local.get $from) (local.get $next)))
          (else
            (if (i32.ne (local.get $from) (call $sort (local.get $from) (local.get $spare)
                  (i32.shr_u (local.get $size) (i32.const 3)) (i64.const 0) (i64.const 32) (local.get $counts)
                  (select (i32.const 8) (i32.const 11) (i32.le_u (local.get $size) (i32.const 8192)))))
              (then (memory.copy (local.get $from) (local.get $spare) (local.get $size))))))
        (local.set $from (local.get $next))
        (br $run))))

  ;; Insertion sort of the words in [$from, $end).
  (func $insert (param $from i32) (param $end i32)
    (local $next i32) (local $hole i32) (local $word i64)
    (local.set $next (i32.add (local.get $from) (i32.const 8)))
    (block $done
      (loop $each
        (br_if $done (i32.ge_u (local.get $next) (local.get $end)))
        (local.set $word (i64.load (local.get $next)))
        (local.set $hole (local.get $next))
        (block $found
          (loop $shift
            (br_if $found (i32.eq (local.get $hole) (local.get $from)))
            (br_if $found (i64.le_u (i64.load (i32.sub (local.get $hole) (i32.const 8))) (local.get $word)))
            (i64.store (local.get $hole) (i64.load (i32.sub (local.get $hole) (i32.const 8))))
            (local.set $hole (i32.sub (local.get $hole) (i32.const 8)))
            (br $shift)))
        (i64.store (local.get $hole) (local.get $word))
        (local.set $next (i32.add (local.get $next) (i32.const 8)))
        (br $each))))

  ;; Writes a varint (serving/arrays/bytes.ts) at $out; returns its end.
  (func $varint (param $out i32) (param $value i64) (result i32)
    (block $done
      (loop $more
        (br_if $done (i64.lt_u (local.get $value) (i64.const 0x80)))
        (i64.store8 (local.get $out) (i64.or (local.get $value) (i64.const 0x80)))
        (local.set $value (i64.shr_u (local.get $value) (i64.const 7)))
        (local.set $out (i32.add (local.get $out) (i32.const 1)))
        (br $more)))
    (i64.store8 (local.get $out) (local.get $value))
    (i32.add (local.get $out) (i32.const 1)))

  ;; Bytes of a varint.
  (func $length (param $value i32) (result i32)
    (i32.div_u (i32.sub (i32.const 38) (i32.clz (i32.or (local.get $value) (i32.const 1)))) (i32.const 7)))

  ;; Writes cells (serving/arrays/cells.ts) of one subject, from the sorted words [$at, $end), to $out, and their coupons, each cell's
  ;; ascending, to $coupons. $last is the bucket that the first delta counts from. Stops at the end of the subject; after the
  ;; cell that makes it more than $limit coupons; before a cell of more than $maxCoupons, which it cannot write. Returns where
  ;; it stopped.
  (func $cells (export "cells") (param $at i32) (param $end i32) (param $out i32) (param $coupons i32) (param $last i32) (param $limit i32) (result i32)
    (local $key i32) (local $next i32) (local $cell i32) (local $free i32) (local $coupon i32) (local $before i32)
    (local $length i32) (local $count i32) (local $views i32) (local $bucket i32) (local $head i64)
    (local.set $free (local.get $coupons))
    (local.set $limit (i32.add (local.get $coupons) (i32.shl (local.get $limit) (i32.const 2))))
    (block $stop
      (loop $nextCell
        (local.set $key (i32.load offset=4 (local.get $at)))
        (local.set $next (local.get $at))
        (local.set $cell (local.get $free))
        (local.set $before (i32.const 0))
        (local.set $length (i32.const 0))
        ;; No coupon is 0: their values begin with 1.
        (loop $nextWord
          (local.set $coupon (i32.load (local.get $next)))
          (if (i32.ne (local.get $coupon) (local.get $before))
            (then
              (local.set $length (i32.add (local.get $length)
                (call $length (i32.sub (local.get $coupon) (local.get $before)))))
              (i32.store (local.get $free) (local.get $coupon))
              (local.set $free (i32.add (local.get $free) (i32.const 4)))
              (local.set $before (local.get $coupon))
              (if (i32.gt_u (i32.sub (local.get $free) (local.get $cell)) (i32.shl (global.get $maxCoupons) (i32.const 2)))
                (then
                  (local.set $free (local.get $cell))
                  (br $stop)))))
          (local.set $next (i32.add (local.get $next) (i32.const 8)))
          (if (i32.lt_u (local.get $next) (local.get $end))
            (then (br_if $nextWord (i32.eq (i32.load offset=4 (local.get $next)) (local.get $key))))))

        (local.set $count (i32.shr_u (i32.sub (local.get $free) (local.get $cell)) (i32.const 2)))
        (local.set $views (i32.shr_u (i32.sub (local.get $next) (local.get $at)) (i32.const 3)))
        (local.set $bucket (i32.load (i32.add (global.get $buckets) (i32.shl
          (i32.and (local.get $key) (i32.sub (i32.shl (i32.const 1) (global.get $bucketBits)) (i32.const 1))) (i32.const 2)))))
        (local.set $head (i64.shl (i64.extend_i32_u (i32.sub (local.get $bucket) (local.get $last))) (i64.const 2)))
        (if (i32.eq (local.get $views) (i32.const 1))
          (then
            (local.set $out (call $varint (local.get $out) (local.get $head)))
            (i32.store (local.get $out) (local.get $coupon))
            (local.set $out (i32.add (local.get $out) (i32.const 4))))
          (else
            (local.set $out (call $varint (local.get $out) (i64.or (local.get $head) (i64.const 1))))
            (local.set $out (call $varint (local.get $out) (i64.extend_i32_u (local.get $views))))
            (if (i32.lt_u (local.get $length) (i32.shl (local.get $count) (i32.const 2)))
              (then
                (local.set $out (call $varint (local.get $out)
                  (i64.extend_i32_u (i32.or (i32.shl (local.get $count) (i32.const 1)) (i32.const 1)))))
                (local.set $out (call $varint (local.get $out) (i64.extend_i32_u (local.get $length))))
                (local.set $before (i32.const 0))
                (loop $difference
                  (local.set $coupon (i32.load (local.get $cell)))
                  (local.set $out (call $varint (local.get $out)
                    (i64.extend_i32_u (i32.sub (local.get $coupon) (local.get $before)))))
                  (local.set $before (local.get $coupon))
                  (local.set $cell (i32.add (local.get $cell) (i32.const 4)))
                  (br_if $difference (i32.lt_u (local.get $cell) (local.get $free)))))
              (else
                (local.set $out (call $varint (local.get $out) (i64.extend_i32_u (i32.shl (local.get $count) (i32.const 1)))))
                (memory.copy (local.get $out) (local.get $cell) (i32.shl (local.get $count) (i32.const 2)))
                (local.set $out (i32.add (local.get $out) (i32.shl (local.get $count) (i32.const 2))))))))

        (local.set $last (local.get $bucket))
        (local.set $at (local.get $next))
        (br_if $stop (i32.gt_u (local.get $free) (local.get $limit)))
        (br_if $stop (i32.ge_u (local.get $at) (local.get $end)))
        (br_if $nextCell (i32.eqz (i32.shr_u
          (i32.xor (i32.load offset=4 (local.get $at)) (local.get $key)) (global.get $bucketBits))))))
    (global.set $outEnd (local.get $out))
    (global.set $couponsEnd (local.get $free))
    (global.set $lastBucket (local.get $last))
    (local.get $at))

  ;; Writes the flat blocks (serving/arrays/cells.ts) of subject after subject from the sorted words [$at, $end) to $out, and three
  ;; words for each to $records: subject, pageviews, bytes. Stops where $out reaches $outLimit or $records $recordsLimit, and
  ;; before a subject of more than $flatLimit coupons. Returns where it stopped.
  (func (export "blocks") (param $at i32) (param $end i32) (param $out i32) (param $outLimit i32) (param $coupons i32) (param $records i32) (param $recordsLimit i32) (param $flatLimit i32) (result i32)
    (local $stop i32)
    (block $done
      (loop $nextSubject
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (br_if $done (i32.ge_u (local.get $out) (local.get $outLimit)))
        (br_if $done (i32.ge_u (local.get $records) (local.get $recordsLimit)))
        (i32.store8 (local.get $out) (i32.const 0)) ;; no days: flat
        (local.set $stop (call $cells (local.get $at) (local.get $end) (i32.add (local.get $out) (i32.const 1))
          (local.get $coupons) (i32.const 0) (local.get $flatLimit)))
        (br_if $done (i32.gt_u (i32.sub (global.get $couponsEnd) (local.get $coupons)) (i32.shl (local.get $flatLimit) (i32.const 2))))
        (if (i32.lt_u (local.get $stop) (local.get $end))
          (then (br_if $done (i32.eq (call $subject (local.get $stop)) (call $subject (local.get $at))))))
        (i32.store (local.get $records) (call $subject (local.get $at)))
        (i32.store offset=4 (local.get $records) (i32.shr_u (i32.sub (local.get $stop) (local.get $at)) (i32.const 3)))
        (i32.store offset=8 (local.get $records) (i32.sub (global.get $outEnd) (local.get $out)))
        (local.set $records (i32.add (local.get $records) (i32.const 12)))
        (local.set $out (global.get $outEnd))
        (local.set $at (local.get $stop))
        (br $nextSubject)))
    (global.set $outEnd (local.get $out))
    (global.set $recordsEnd (local.get $records))
    (local.get $at))

  (func $subject (param $at i32) (result i32)
    (i32.shr_u (i32.load offset=4 (local.get $at)) (global.get $bucketBits)))

  ;; Counts the visits of one domain from its sorted words [$at, $end), at least one: by bucket rank five words at $counts, visits,
  ;; bounces, pageviews, and milliseconds as 64 bits. Ranks whose visits were 0 are written to $seen; returns the end of these. A view $gap milliseconds or more
  ;; after the one before begins a new visit, a bucket has $bucketMs.
  (func (export "visits") (param $at i32) (param $end i32) (param $counts i32) (param $seen i32) (param $gap i64) (param $bucketMs i64) (result i32)
    (local $word i64) (local $person i64) (local $views i32) (local $rank i32) (local $time i64) (local $before i64)
    (local $slot i32) (local $bucketMask i32) (local $personShift i64)
    (local.set $bucketMask (i32.sub (i32.shl (i32.const 1) (global.get $bucketBits)) (i32.const 1)))
    (local.set $personShift (i64.extend_i32_u (i32.add (global.get $bucketBits) (i32.const 22))))
    (local.set $person (i64.const -1))
    (loop $next
      (local.set $word (i64.load (local.get $at)))
      (local.set $rank (i32.and (i32.wrap_i64 (i64.shr_u (local.get $word) (i64.const 22))) (local.get $bucketMask)))
      (local.set $time (i64.add
        (i64.mul
          (i64.extend_i32_u (i32.load (i32.add (global.get $buckets) (i32.shl (local.get $rank) (i32.const 2)))))
          (local.get $bucketMs))
        (i64.and (local.get $word) (i64.const 0x3fffff))))
      (if (i32.and
            (i64.eq (i64.shr_u (local.get $word) (local.get $personShift)) (local.get $person))
            (i64.lt_u (i64.sub (local.get $time) (local.get $before)) (local.get $gap)))
        (then
          (if (i32.eq (local.get $views) (i32.const 1))
            (then (i32.store offset=4 (local.get $slot) (i32.sub (i32.load offset=4 (local.get $slot)) (i32.const 1)))))
          (local.set $views (i32.add (local.get $views) (i32.const 1)))
          (i64.store offset=12 (local.get $slot) (i64.add
            (i64.load offset=12 (local.get $slot))
            (i64.sub (local.get $time) (local.get $before)))))
        (else
          ;; A new visit, and a bounce until another view follows.
          (local.set $views (i32.const 1))
          (local.set $slot (i32.add (local.get $counts) (i32.mul (local.get $rank) (i32.const 20))))
          (if (i32.eqz (i32.load (local.get $slot)))
            (then
              (i32.store (local.get $seen) (local.get $rank))
              (local.set $seen (i32.add (local.get $seen) (i32.const 4)))))
          (i32.store (local.get $slot) (i32.add (i32.load (local.get $slot)) (i32.const 1)))
          (i32.store offset=4 (local.get $slot) (i32.add (i32.load offset=4 (local.get $slot)) (i32.const 1)))))
      (i32.store offset=8 (local.get $slot) (i32.add (i32.load offset=8 (local.get $slot)) (i32.const 1)))
      (local.set $person (i64.shr_u (local.get $word) (local.get $personShift)))
      (local.set $before (local.get $time))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (local.get $seen))
)
