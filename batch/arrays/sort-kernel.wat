;; What a batch run does most: facts sorted by subject and bucket become cells of buckets, days and months, facts sorted by person
;; and time become visits.
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

  ;; By rank of a bucket, as 32 bits: its day and its month. A day has $perDay buckets.
  (global $dayOf (mut i32) (i32.const 0))
  (global $monthOf (mut i32) (i32.const 0))
  (global $perDay (mut i32) (i32.const 0))
  ;; Most coupons in the buckets of a day or month without a cell of its own.
  (global $dayLimit (mut i32) (i32.const 0))
  (global $monthLimit (mut i32) (i32.const 0))
  ;; A sketch has 2^$lgK registers, a union's table 2^$lgTable coupons.
  (global $lgK (mut i32) (i32.const 0))
  (global $lgTable (mut i32) (i32.const 0))
  ;; The unions of the current day and month, and the registers of one bucket.
  (global $day (mut i32) (i32.const 0))
  (global $month (mut i32) (i32.const 0))
  (global $registers (mut i32) (i32.const 0))
  ;; Room to sort the coupons of a union ($maxCoupons words, twice) or to pack registers (the register's values, then coupons).
  (global $work (mut i32) (i32.const 0))
  (global $counts (mut i32) (i32.const 0))
  ;; Where $tabled writes next, and the limits at which it stops: day cells, month cells, records of days and of months.
  (global $daysEnd (export "daysEnd") (mut i32) (i32.const 0))
  (global $monthsEnd (export "monthsEnd") (mut i32) (i32.const 0))
  (global $dayRecordsEnd (export "dayRecordsEnd") (mut i32) (i32.const 0))
  (global $monthRecordsEnd (export "monthRecordsEnd") (mut i32) (i32.const 0))
  ;; Of the subject that $tabled is at: its last bucket, its month (-1: none), and the coupons of its cells so far.
  (global $subjectLast (mut i32) (i32.const 0))
  (global $currentMonth (mut i32) (i32.const -1))
  (global $subjectCoupons (export "subjectCoupons") (mut i32) (i32.const 0))

  (func (export "configureSpans") (param $dayOf i32) (param $monthOf i32) (param $perDay i32) (param $dayLimit i32) (param $monthLimit i32) (param $lgK i32) (param $lgTable i32) (param $day i32) (param $month i32) (param $registers i32) (param $work i32) (param $counts i32)
    (global.set $dayOf (local.get $dayOf))
    (global.set $monthOf (local.get $monthOf))
    (global.set $perDay (local.get $perDay))
    (global.set $dayLimit (local.get $dayLimit))
    (global.set $monthLimit (local.get $monthLimit))
    (global.set $lgK (local.get $lgK))
    (global.set $lgTable (local.get $lgTable))
    (global.set $day (local.get $day))
    (global.set $month (local.get $month))
    (global.set $registers (local.get $registers))
    (global.set $work (local.get $work))
    (global.set $counts (local.get $counts)))

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

  ;; The same without branches, for numbers of any size: each seven bits in their byte, the marks of continued bytes, one store of 8
  ;; bytes, of which only the varint's are kept.
  (func $varint32 (param $out i32) (param $value i32) (result i32)
    (local $wide i64) (local $length i32)
    (local.set $wide (i64.extend_i32_u (local.get $value)))
    (local.set $length (i32.shr_u (i32.mul (i32.const 37) (i32.sub (i32.const 38)
      (i32.clz (i32.or (local.get $value) (i32.const 1))))) (i32.const 8)))
    (i64.store (local.get $out) (i64.or
      (i64.or
        (i64.or
          (i64.and (local.get $wide) (i64.const 0x7f))
          (i64.and (i64.shl (local.get $wide) (i64.const 1)) (i64.const 0x7f00)))
        (i64.or
          (i64.and (i64.shl (local.get $wide) (i64.const 2)) (i64.const 0x7f0000))
          (i64.and (i64.shl (local.get $wide) (i64.const 3)) (i64.const 0x7f000000))))
      (i64.or
        (i64.and (i64.shl (local.get $wide) (i64.const 4)) (i64.const 0x7f00000000))
        (i64.and (i64.const 0x80808080) (i64.sub
          (i64.shl (i64.const 1) (i64.extend_i32_u (i32.shl (i32.sub (local.get $length) (i32.const 1)) (i32.const 3))))
          (i64.const 1))))))
    (i32.add (local.get $out) (local.get $length)))

  ;; Writes a cell of the coupons [$list, $free), distinct and ascending, whose differences take $length bytes as varints. $head is
  ;; four times the delta of its bucket. Returns the end of the cell.
  (func $couponCell (param $out i32) (param $head i64) (param $views i32) (param $list i32) (param $free i32) (param $length i32) (result i32)
    (local $bytes i32) (local $coupon i32) (local $before i32)
    (if (i32.eq (local.get $views) (i32.const 1))
      (then
        (local.set $out (call $varint (local.get $out) (local.get $head)))
        (i32.store (local.get $out) (i32.load (local.get $list)))
        (return (i32.add (local.get $out) (i32.const 4)))))
    (local.set $bytes (i32.sub (local.get $free) (local.get $list)))
    (local.set $out (call $varint (local.get $out) (i64.or (local.get $head) (i64.const 1))))
    (local.set $out (call $varint (local.get $out) (i64.extend_i32_u (local.get $views))))
    (if (i32.lt_u (local.get $length) (local.get $bytes))
      (then
        (local.set $out (call $varint (local.get $out)
          (i64.extend_i32_u (i32.or (i32.shr_u (local.get $bytes) (i32.const 1)) (i32.const 1)))))
        (local.set $out (call $varint (local.get $out) (i64.extend_i32_u (local.get $length))))
        (loop $difference
          (local.set $coupon (i32.load (local.get $list)))
          (local.set $out (call $varint32 (local.get $out) (i32.sub (local.get $coupon) (local.get $before))))
          (local.set $before (local.get $coupon))
          (local.set $list (i32.add (local.get $list) (i32.const 4)))
          (br_if $difference (i32.lt_u (local.get $list) (local.get $free))))
        (return (local.get $out))))
    (local.set $out (call $varint (local.get $out) (i64.extend_i32_u (i32.shr_u (local.get $bytes) (i32.const 1)))))
    ;; A loop, because memory.copy is slow for few bytes.
    (loop $copy
      (i32.store (local.get $out) (i32.load (local.get $list)))
      (local.set $out (i32.add (local.get $out) (i32.const 4)))
      (local.set $list (i32.add (local.get $list) (i32.const 4)))
      (br_if $copy (i32.lt_u (local.get $list) (local.get $free))))
    (local.get $out))

  ;; Writes cells (serving/arrays/cells.ts) of one subject, from the sorted words [$at, $end), to $out, and their coupons, each cell's
  ;; ascending, to $coupons. $last is the bucket that the first delta counts from. Stops at the end of the subject; after the
  ;; cell that makes it more than $limit coupons; before a cell of more than $maxCoupons, which it cannot write. Returns where
  ;; it stopped.
  (func $cells (export "cells") (param $at i32) (param $end i32) (param $out i32) (param $coupons i32) (param $last i32) (param $limit i32) (result i32)
    (local $key i32) (local $next i32) (local $cell i32) (local $free i32) (local $coupon i32) (local $before i32)
    (local $length i32) (local $views i32) (local $bucket i32)
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
              ;; Bytes of the difference as a varint: a seventh of its bits, rounded up, and 37 / 256 is near enough to a seventh.
              (local.set $length (i32.add (local.get $length) (i32.shr_u (i32.mul (i32.const 37) (i32.sub (i32.const 38)
                (i32.clz (i32.or (i32.sub (local.get $coupon) (local.get $before)) (i32.const 1))))) (i32.const 8))))
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

        (local.set $views (i32.shr_u (i32.sub (local.get $next) (local.get $at)) (i32.const 3)))
        (local.set $bucket (i32.load (i32.add (global.get $buckets) (i32.shl
          (i32.and (local.get $key) (i32.sub (i32.shl (i32.const 1) (global.get $bucketBits)) (i32.const 1))) (i32.const 2)))))
        (local.set $out (call $couponCell (local.get $out)
          (i64.shl (i64.extend_i32_u (i32.sub (local.get $bucket) (local.get $last))) (i64.const 2))
          (local.get $views) (local.get $cell) (local.get $free) (local.get $length)))

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

  ;; A union of coupons, for a day or a month:
  ;;
  ;;   +0 distinct coupons in the table   +4 whether it has registers   +8 coupons added, with repeats   +12 pageviews
  ;;   +16 the table: 2^$lgTable coupons by their hash, 0 for a free slot, more than half of them free
  ;;   then 2^$lgK registers, valid if it has any
  ;;
  ;; It has registers from the moment that it has more than $maxCoupons coupons.

  (func $registersOf (param $union i32) (result i32)
    (i32.add (i32.add (local.get $union) (i32.const 16)) (i32.shl (i32.const 4) (global.get $lgTable))))

  (func $clear (param $union i32)
    (if (i32.load (local.get $union)) ;; otherwise its table is empty
      (then (memory.fill (i32.add (local.get $union) (i32.const 16)) (i32.const 0) (i32.shl (i32.const 4) (global.get $lgTable)))))
    (memory.fill (local.get $union) (i32.const 0) (i32.const 16)))

  ;; Raises the register of a coupon to its value.
  (func $raise (param $registers i32) (param $coupon i32)
    (local.set $registers (i32.add (local.get $registers) (i32.and (local.get $coupon)
      (i32.sub (i32.shl (i32.const 1) (global.get $lgK)) (i32.const 1)))))
    (local.set $coupon (i32.shr_u (local.get $coupon) (i32.const 26)))
    (if (i32.gt_u (local.get $coupon) (i32.load8_u (local.get $registers)))
      (then (i32.store8 (local.get $registers) (local.get $coupon)))))

  ;; Gives a union registers, with the values of its coupons.
  (func $promote (param $union i32)
    (local $registers i32) (local $at i32)
    (if (i32.load offset=4 (local.get $union)) (then (return)))
    (local.set $registers (call $registersOf (local.get $union)))
    (memory.fill (local.get $registers) (i32.const 0) (i32.shl (i32.const 1) (global.get $lgK)))
    (local.set $at (i32.add (local.get $union) (i32.const 16)))
    (loop $next
      (call $raise (local.get $registers) (i32.load (local.get $at))) ;; a free slot raises nothing
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $registers))))
    (i32.store offset=4 (local.get $union) (i32.const 1)))

  ;; Adds the coupons in [$from, $to); zeros are skipped. The last loop is $raise without a call for each coupon.
  (func $add (param $union i32) (param $from i32) (param $to i32)
    (local $coupon i32) (local $slot i32) (local $table i32) (local $mask i32) (local $shift i32) (local $count i32)
    (local.set $table (i32.add (local.get $union) (i32.const 16)))
    (local.set $mask (i32.sub (i32.shl (i32.const 1) (global.get $lgTable)) (i32.const 1)))
    (local.set $shift (i32.sub (i32.const 32) (global.get $lgTable)))
    (local.set $count (i32.load (local.get $union)))
    (block $done
      (block $hasRegisters
        (br_if $hasRegisters (i32.load offset=4 (local.get $union)))
        (loop $next
          (br_if $done (i32.ge_u (local.get $from) (local.get $to)))
          (local.set $coupon (i32.load (local.get $from)))
          (local.set $from (i32.add (local.get $from) (i32.const 4)))
          (br_if $next (i32.eqz (local.get $coupon)))
          (local.set $slot (i32.shr_u (i32.mul (local.get $coupon) (i32.const 0x9e3779b1)) (local.get $shift)))
          (block $found
            (loop $probe
              (br_if $found (i32.eqz (i32.load (i32.add (local.get $table) (i32.shl (local.get $slot) (i32.const 2))))))
              (br_if $next (i32.eq (local.get $coupon)
                (i32.load (i32.add (local.get $table) (i32.shl (local.get $slot) (i32.const 2))))))
              (local.set $slot (i32.and (i32.add (local.get $slot) (i32.const 1)) (local.get $mask)))
              (br $probe)))
          (i32.store (i32.add (local.get $table) (i32.shl (local.get $slot) (i32.const 2))) (local.get $coupon))
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (br_if $next (i32.le_u (local.get $count) (global.get $maxCoupons))))
        (call $promote (local.get $union)))
      (local.set $table (call $registersOf (local.get $union)))
      (local.set $mask (i32.sub (i32.shl (i32.const 1) (global.get $lgK)) (i32.const 1)))
      (loop $more
        (br_if $done (i32.ge_u (local.get $from) (local.get $to)))
        (local.set $coupon (i32.load (local.get $from)))
        (local.set $slot (i32.add (local.get $table) (i32.and (local.get $coupon) (local.get $mask))))
        (local.set $coupon (i32.shr_u (local.get $coupon) (i32.const 26)))
        (if (i32.gt_u (local.get $coupon) (i32.load8_u (local.get $slot)))
          (then (i32.store8 (local.get $slot) (local.get $coupon))))
        (local.set $from (i32.add (local.get $from) (i32.const 4)))
        (br $more)))
    (i32.store (local.get $union) (local.get $count)))

  ;; Raises the 2^$lgK registers at $into to those at $from.
  (func $raiseAll (param $into i32) (param $from i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $from) (i32.shl (i32.const 1) (global.get $lgK))))
    (loop $next
      (v128.store (local.get $into) (i8x16.max_u (v128.load (local.get $into)) (v128.load (local.get $from))))
      (local.set $into (i32.add (local.get $into) (i32.const 16)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $from) (local.get $end)))))

  ;; Adds one union to another.
  (func $merge (param $into i32) (param $from i32)
    (if (i32.load offset=4 (local.get $from))
      (then
        (call $promote (local.get $into))
        (call $raiseAll (call $registersOf (local.get $into)) (call $registersOf (local.get $from))))
      (else
        (call $add (local.get $into) (i32.add (local.get $from) (i32.const 16)) (call $registersOf (local.get $from))))))

  ;; Writes the cell of a union, with a delta of 0. Returns its end.
  (func $unionCell (param $union i32) (param $out i32) (result i32)
    (local $at i32) (local $end i32) (local $list i32) (local $free i32) (local $coupon i32) (local $before i32) (local $length i32)
    (local.set $end (call $registersOf (local.get $union)))
    (if (i32.load offset=4 (local.get $union))
      (then (return (call $registerCell (local.get $out) (i64.const 0) (i32.load offset=12 (local.get $union)) (local.get $end)))))
    (local.set $at (i32.add (local.get $union) (i32.const 16)))
    (local.set $free (global.get $work))
    (loop $next
      (local.set $coupon (i32.load (local.get $at)))
      (i64.store (local.get $free) (i64.extend_i32_u (local.get $coupon))) ;; a free slot is overwritten
      (local.set $free (i32.add (local.get $free) (i32.shl (i32.ne (local.get $coupon) (i32.const 0)) (i32.const 3))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (local.set $at (call $sort (global.get $work)
      (i32.add (global.get $work) (i32.shl (i32.add (global.get $maxCoupons) (i32.const 1)) (i32.const 3)))
      (i32.load (local.get $union)) (i64.const 0) (i64.const 32) (global.get $counts)
      (select (i32.const 8) (i32.const 11) (i32.lt_u (i32.load (local.get $union)) (i32.const 1024)))))
    (local.set $end (i32.add (local.get $at) (i32.shl (i32.load (local.get $union)) (i32.const 3))))
    ;; The list overwrites words that have been read.
    (local.set $list (local.get $at))
    (local.set $free (local.get $at))
    (loop $next
      (local.set $coupon (i32.load (local.get $at)))
      (local.set $length (i32.add (local.get $length) (i32.shr_u (i32.mul (i32.const 37) (i32.sub (i32.const 38)
        (i32.clz (i32.or (i32.sub (local.get $coupon) (local.get $before)) (i32.const 1))))) (i32.const 8))))
      (local.set $before (local.get $coupon))
      (i32.store (local.get $free) (local.get $coupon))
      (local.set $free (i32.add (local.get $free) (i32.const 4)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (call $couponCell (local.get $out) (i64.const 0) (i32.load offset=12 (local.get $union))
      (local.get $list) (local.get $free) (local.get $length)))

  ;; Writes a cell of registers: packed (hyperloglog-ts/src/packed.ts) if that is shorter. $head is four times the delta of its bucket.
  ;; Returns the end of the cell.
  (func $registerCell (param $out i32) (param $head i64) (param $views i32) (param $registers i32) (result i32)
    (local $k i32) (local $slot i32) (local $value i32) (local $taken i32) (local $marks i32) (local $large i32) (local $free i32)
    (local $nibbles i32) (local $length i32) (local $at i32) (local $bytes i32)
    (local.set $k (i32.shl (i32.const 1) (global.get $lgK)))
    ;; In $work: marks, values - 1 of the registers that are not empty, then registers over 16 as coupons.
    (local.set $nibbles (i32.add (global.get $work) (i32.shr_u (local.get $k) (i32.const 3))))
    (local.set $free (local.get $nibbles))
    (local.set $large (i32.add (i32.add (local.get $nibbles) (local.get $k)) (i32.const 4)))
    (local.set $bytes (local.get $large))
    (loop $next
      (local.set $value (i32.load8_u (i32.add (local.get $registers) (local.get $slot))))
      (local.set $taken (i32.shr_u (i32.add (local.get $value) (i32.const 63)) (i32.const 6)))
      (i32.store8 (local.get $free) (i32.sub (local.get $value) (i32.const 1)))
      (local.set $free (i32.add (local.get $free) (local.get $taken)))
      (local.set $marks (i32.or (i32.shr_u (local.get $marks) (i32.const 1)) (i32.shl (local.get $taken) (i32.const 7))))
      (if (i32.eq (i32.and (local.get $slot) (i32.const 7)) (i32.const 7))
        (then
          (i32.store8 (i32.add (global.get $work) (i32.shr_u (local.get $slot) (i32.const 3))) (local.get $marks))
          (local.set $marks (i32.const 0))))
      (if (i32.gt_u (local.get $value) (i32.const 16))
        (then
          (i32.store (local.get $large) (i32.or (i32.shl (local.get $value) (i32.const 26)) (local.get $slot)))
          (local.set $large (i32.add (local.get $large) (i32.const 4)))))
      (local.set $slot (i32.add (local.get $slot) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $slot) (local.get $k))))
    (i32.store8 (local.get $free) (i32.const 0)) ;; the unused nibble of an odd number
    (local.set $large (i32.sub (local.get $large) (local.get $bytes)))
    (local.set $length (i32.add (i32.add
      (i32.add (i32.const 1) (i32.shr_u (local.get $k) (i32.const 3)))
      (i32.shr_u (i32.add (i32.sub (local.get $free) (local.get $nibbles)) (i32.const 1)) (i32.const 1)))
      (local.get $large)))
    (if (i32.ge_u (local.get $length) (local.get $k))
      (then
        (local.set $out (call $varint (local.get $out) (i64.or (local.get $head) (i64.const 2))))
        (local.set $out (call $varint (local.get $out) (i64.extend_i32_u (local.get $views))))
        (memory.copy (local.get $out) (local.get $registers) (local.get $k))
        (return (i32.add (local.get $out) (local.get $k)))))
    (local.set $out (call $varint (local.get $out) (i64.or (local.get $head) (i64.const 3))))
    (local.set $out (call $varint (local.get $out) (i64.extend_i32_u (local.get $views))))
    (local.set $out (call $varint (local.get $out) (i64.extend_i32_u (local.get $length))))
    (i32.store8 (local.get $out) (global.get $lgK))
    (local.set $out (i32.add (local.get $out) (i32.const 1)))
    (memory.copy (local.get $out) (global.get $work) (i32.shr_u (local.get $k) (i32.const 3)))
    (local.set $out (i32.add (local.get $out) (i32.shr_u (local.get $k) (i32.const 3))))
    (local.set $at (local.get $nibbles))
    (block $done
      (loop $pair
        (br_if $done (i32.ge_u (local.get $at) (local.get $free)))
        (i32.store8 (local.get $out) (i32.or
          (call $nibble (i32.load8_u (local.get $at)))
          (i32.shl (call $nibble (i32.load8_u offset=1 (local.get $at))) (i32.const 4))))
        (local.set $out (i32.add (local.get $out) (i32.const 1)))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (br $pair)))
    (memory.copy (local.get $out) (local.get $bytes) (local.get $large))
    (i32.add (local.get $out) (local.get $large)))

  (func $nibble (param $value i32) (result i32)
    (select (local.get $value) (i32.const 15) (i32.lt_u (local.get $value) (i32.const 15))))

  ;; Writes what a block with tables (serving/arrays/cells.ts) is made of, for one subject, from its sorted words, which begin at $at: base
  ;; cells to $out, day cells and month cells to $daysEnd and $monthsEnd; of each day three words to $dayRecordsEnd (day, bytes of base
  ;; cells, bytes of its cell), of each month two (month, bytes of its cell). $coupons is room for the coupons of cells. Stops at the end of the
  ;; subject, and after a day that reaches a limit; the next call goes on there. Returns where it stopped.
  (func (export "tabled") (param $at i32) (param $end i32) (param $out i32) (param $outLimit i32) (param $daysLimit i32) (param $monthsLimit i32) (param $dayRecordsLimit i32) (param $coupons i32) (param $couponLimit i32) (result i32)
    (local $subject i32) (local $day i32) (local $month i32) (local $dayEnd i32) (local $key i32) (local $next i32)
    (local $cellsFrom i32) (local $daysFrom i32) (local $views i32) (local $added i32)
    (local.set $subject (call $subject (local.get $at)))
    (block $stop
      (loop $nextDay
        (local.set $key (i32.load offset=4 (local.get $at)))
        (local.set $day (call $ofRank (global.get $dayOf) (local.get $key)))
        (local.set $month (call $ofRank (global.get $monthOf) (local.get $key)))
        (if (i32.ne (local.get $month) (global.get $currentMonth))
          (then
            (call $endMonth)
            (global.set $currentMonth (local.get $month))))
        (local.set $dayEnd (local.get $at))
        (block $found
          (loop $more
            (local.set $dayEnd (i32.add (local.get $dayEnd) (i32.const 8)))
            (br_if $found (i32.ge_u (local.get $dayEnd) (local.get $end)))
            (br_if $more (i32.eq (i32.load offset=4 (local.get $dayEnd)) (local.get $key)))
            (local.set $key (i32.load offset=4 (local.get $dayEnd)))
            (br_if $found (i32.ne (call $subject (local.get $dayEnd)) (local.get $subject)))
            (br_if $more (i32.eq (call $ofRank (global.get $dayOf) (local.get $key)) (local.get $day)))))

        (local.set $cellsFrom (local.get $out))
        (local.set $daysFrom (global.get $daysEnd))
        (local.set $views (i32.shr_u (i32.sub (local.get $dayEnd) (local.get $at)) (i32.const 3)))
        (local.set $next (i32.mul (local.get $day) (global.get $perDay)))
        (if (i32.lt_u (global.get $subjectLast) (local.get $next)) (then (global.set $subjectLast (local.get $next))))
        (local.set $next (call $cells (local.get $at) (local.get $dayEnd) (local.get $out) (local.get $coupons)
          (global.get $subjectLast) (local.get $couponLimit)))
        (local.set $added (i32.shr_u (i32.sub (global.get $couponsEnd) (local.get $coupons)) (i32.const 2)))
        (if (i32.and (i32.eq (local.get $next) (local.get $dayEnd)) (i32.le_u (local.get $added) (global.get $dayLimit)))
          (then ;; A day without a cell of its own.
            (call $add (global.get $month) (local.get $coupons) (global.get $couponsEnd))
            (local.set $out (global.get $outEnd))
            (global.set $subjectLast (global.get $lastBucket)))
          (else
            (local.set $added (i32.const 0))
            (loop $more
              (if (i32.eq (local.get $next) (local.get $at))
                (then
                  (local.set $next (call $manyPeople (local.get $at) (local.get $dayEnd) (local.get $out)))
                  (local.set $added (i32.add (local.get $added) (i32.add (global.get $maxCoupons) (i32.const 1)))))
                (else
                  (call $add (global.get $day) (local.get $coupons) (global.get $couponsEnd))
                  (local.set $added (i32.add (local.get $added)
                    (i32.shr_u (i32.sub (global.get $couponsEnd) (local.get $coupons)) (i32.const 2))))))
              (local.set $out (global.get $outEnd))
              (global.set $subjectLast (global.get $lastBucket))
              (local.set $at (local.get $next))
              (if (i32.lt_u (local.get $at) (local.get $dayEnd))
                (then
                  (local.set $next (call $cells (local.get $at) (local.get $dayEnd) (local.get $out) (local.get $coupons)
                    (global.get $subjectLast) (local.get $couponLimit)))
                  (br $more))))
            (i32.store offset=12 (global.get $day) (local.get $views))
            (global.set $daysEnd (call $unionCell (global.get $day) (global.get $daysEnd)))
            (call $merge (global.get $month) (global.get $day))
            (call $clear (global.get $day))))
        (i32.store offset=8 (global.get $month) (i32.add (i32.load offset=8 (global.get $month)) (local.get $added)))
        (i32.store offset=12 (global.get $month) (i32.add (i32.load offset=12 (global.get $month)) (local.get $views)))
        (global.set $subjectCoupons (i32.add (global.get $subjectCoupons) (local.get $added)))
        (i32.store (global.get $dayRecordsEnd) (local.get $day))
        (i32.store offset=4 (global.get $dayRecordsEnd) (i32.sub (local.get $out) (local.get $cellsFrom)))
        (i32.store offset=8 (global.get $dayRecordsEnd) (i32.sub (global.get $daysEnd) (local.get $daysFrom)))
        (global.set $dayRecordsEnd (i32.add (global.get $dayRecordsEnd) (i32.const 12)))

        (local.set $at (local.get $dayEnd))
        (if (i32.lt_u (local.get $at) (local.get $end))
          (then
            (if (i32.eq (call $subject (local.get $at)) (local.get $subject))
              (then
                (br_if $nextDay (i32.and
                  (i32.and (i32.lt_u (local.get $out) (local.get $outLimit))
                    (i32.lt_u (global.get $daysEnd) (local.get $daysLimit)))
                  (i32.and (i32.lt_u (global.get $monthsEnd) (local.get $monthsLimit))
                    (i32.lt_u (global.get $dayRecordsEnd) (local.get $dayRecordsLimit)))))
                (br $stop)))))
        (call $endMonth)
        (global.set $currentMonth (i32.const -1))
        (global.set $subjectLast (i32.const 0))))
    (global.set $outEnd (local.get $out))
    (local.get $at))

  ;; The number in a table by rank of the bucket in the high half of a word.
  (func $ofRank (param $table i32) (param $key i32) (result i32)
    (i32.load (i32.add (local.get $table) (i32.shl
      (i32.and (local.get $key) (i32.sub (i32.shl (i32.const 1) (global.get $bucketBits)) (i32.const 1))) (i32.const 2)))))

  ;; Writes the cell of a bucket with more than $maxCoupons people, whose words begin at $at, and adds it to the day's union. Returns its end.
  (func $manyPeople (param $at i32) (param $end i32) (param $out i32) (result i32)
    (local $from i32) (local $key i32) (local $bucket i32)
    (local.set $from (local.get $at))
    (local.set $key (i32.load offset=4 (local.get $at)))
    (local.set $bucket (call $ofRank (global.get $buckets) (local.get $key)))
    (memory.fill (global.get $registers) (i32.const 0) (i32.shl (i32.const 1) (global.get $lgK)))
    (block $done
      (loop $next
        (call $raise (global.get $registers) (i32.load (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (br_if $next (i32.eq (i32.load offset=4 (local.get $at)) (local.get $key)))))
    (global.set $outEnd (call $registerCell (local.get $out)
      (i64.shl (i64.extend_i32_u (i32.sub (local.get $bucket) (global.get $subjectLast))) (i64.const 2))
      (i32.shr_u (i32.sub (local.get $at) (local.get $from)) (i32.const 3)) (global.get $registers)))
    (global.set $lastBucket (local.get $bucket))
    (call $promote (global.get $day))
    (call $raiseAll (call $registersOf (global.get $day)) (global.get $registers))
    (local.get $at))

  ;; Writes the record and, if it has one, the cell of the current month.
  (func $endMonth
    (local $from i32)
    (if (i32.eq (global.get $currentMonth) (i32.const -1)) (then (return)))
    (local.set $from (global.get $monthsEnd))
    (if (i32.gt_u (i32.load offset=8 (global.get $month)) (global.get $monthLimit))
      (then (global.set $monthsEnd (call $unionCell (global.get $month) (global.get $monthsEnd)))))
    (i32.store (global.get $monthRecordsEnd) (global.get $currentMonth))
    (i32.store offset=4 (global.get $monthRecordsEnd) (i32.sub (global.get $monthsEnd) (local.get $from)))
    (global.set $monthRecordsEnd (i32.add (global.get $monthRecordsEnd) (i32.const 8)))
    (call $clear (global.get $month)))
)
