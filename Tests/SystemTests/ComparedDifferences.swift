/// Where Apus answers otherwise than Linux on purpose. The test demands exactly these.
struct ComparedDifference: Sendable {
  var reason: String
  /// The call, what Apus says, what Linux says: lines of `/bin/compared`.
  var cells: [(call: String, apus: String, linux: String)]

  static let all = [
    ComparedDifference(reason: "SEC14: nothing is writable and executable at once, so it is refused before anything is looked at", cells: [
      ("mprotect A 1p 0x6", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("mprotect A+2p 1p 0x6", "errno 13 ww.rr-www-r.w 10.00000101.1", "errno 12 ww.rr-www-r.w 10.00000101.1"),
      ("mprotect A+3p 1p 0x6", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok ww.wr-www-r.w 10.00000101.1"),
      ("mprotect A+5p 1p 0x6", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok ww.rrwwww-r.w 10.00000101.1"),
      ("mprotect A+6p 1p 0x6", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("mprotect A+8p 1p 0x6", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("mprotect A 1p 0x7", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("mprotect A+2p 1p 0x7", "errno 13 ww.rr-www-r.w 10.00000101.1", "errno 12 ww.rr-www-r.w 10.00000101.1"),
      ("mprotect A+3p 1p 0x7", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok ww.wr-www-r.w 10.00000101.1"),
      ("mprotect A+5p 1p 0x7", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok ww.rrwwww-r.w 10.00000101.1"),
      ("mprotect A+6p 1p 0x7", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("mprotect A+8p 1p 0x7", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("mmap A+14p 1p 0x6 0x32", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok A+14p ww.rr-www-r.w.w 10.00000101.1.0"),
      ("mmap A+14p 1p 0x7 0x32", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok A+14p ww.rr-www-r.w.w 10.00000101.1.0"),
      ("mmap A+14p 1p 0x6 0x12 0", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok A+14p ww.rr-www-r.w.w 10.00000101.1.1"),
      ("mmap A+14p 1p 0x7 0x12 0", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok A+14p ww.rr-www-r.w.w 10.00000101.1.1"),
      ("mmap A+14p 1p 0x6 0x11 0", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok A+14p ww.rr-www-r.w.w 10.00000101.1.1"),
      ("mmap A+14p 1p 0x7 0x11 0", "errno 13 ww.rr-www-r.w 10.00000101.1", "ok A+14p ww.rr-www-r.w.w 10.00000101.1.1"),
    ]),
    ComparedDifference(reason: "V55, V90: a hole or another fault in the range changes nothing at all; Linux works up to it", cells: [
      ("mprotect A 3p+1 0x0", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 --.rr-www-r.w 10.00000101.1"),
      ("madvise A 3p+1 4", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 ww.rr-www-r.w 00.00000101.1"),
      ("mprotect A+1p 2p 0x0", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 w-.rr-www-r.w 10.00000101.1"),
      ("mprotect A+1p 3p+1 0x0", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 w-.rr-www-r.w 10.00000101.1"),
      ("mlock A+3p 3p+1", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 ww.rr-www-r.w 10.11000101.1"),
      ("mprotect A+8p 3p+1 0x0", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 ww.rr-ww---.w 10.00000101.1"),
      ("mprotect A+10p 2p 0x0", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 ww.rr-www--.w 10.00000101.1"),
      ("mprotect A+10p 3p+1 0x0", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 ww.rr-www--.w 10.00000101.1"),
      ("mprotect A+12p 2p 0x0", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 ww.rr-www-r.- 10.00000101.1"),
      ("mprotect A+12p 3p+1 0x0", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 ww.rr-www-r.- 10.00000101.1"),
      ("mprotect A 16p 0x0", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 --.rr-www-r.w 10.00000101.1"),
      ("madvise A 16p 4", "errno 22 ww.rr-www-r.w 10.00000101.1", "errno 22 ww.rr-www-r.w 00.00000101.1"),
      ("madvise A-2p 4p 4", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 ww.rr-www-r.w 00.00000101.1"),
      ("mprotect A 0x8000000000000000 0x0", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 --.rr-www-r.w 10.00000101.1"),
      ("mprotect A 0x800000000000 0x1", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 rr.rr-www-r.w 10.00000101.1"),
      ("madvise A 4p 4", "errno 12 ww.rr-www-r.w 10.00000101.1", "errno 12 ww.rr-www-r.w 00.00000101.1"),
    ]),
    ComparedDifference(reason: "M-K1: below the first user page there is no address that could be unmapped", cells: [
      ("munmap 0x0 1p", "errno 22 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("munmap 0x1000 1p", "errno 22 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
    ]),
    ComparedDifference(reason: "R7: a length that is 0 only when it is rounded up is not taken for none", cells: [
      ("mlock A 0xffffffffffffffff", "errno 22 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("munlock A 0xffffffffffffffff", "errno 22 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("msync A 0xffffffffffffffff 0x4", "errno 12 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("mlock A 0xfffffffffffff001", "errno 22 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("munlock A 0xfffffffffffff001", "errno 22 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("msync A 0xfffffffffffff001 0x4", "errno 12 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
    ]),
    ComparedDifference(reason: "bits of a protection that nobody knows are refused by mmap as by mprotect; Linux ignores them in mmap", cells: [
      ("mmap A+14p 1p 0x10 0x32", "errno 22 ww.rr-www-r.w 10.00000101.1", "ok A+14p ww.rr-www-r.w.- 10.00000101.1.0"),
      ("mmap A+14p 1p 0x40 0x32", "errno 22 ww.rr-www-r.w 10.00000101.1", "ok A+14p ww.rr-www-r.w.- 10.00000101.1.0"),
    ]),
    ComparedDifference(reason: "V38: where VM may choose, a page on either side stays free", cells: [
      ("mmap A+2p 1p 0x3 0x22", "ok elsewhere ww.rr-www-r.w 10.00000101.1", "ok A+2p wwwrr-www-r.w 10000000101.1"),
      ("mmap A+11p 1p 0x3 0x22", "ok elsewhere ww.rr-www-r.w 10.00000101.1", "ok A+11p ww.rr-www-rww 10.0000010101"),
      ("mremap A 2p 3p 0x1 0x0", "ok elsewhere ...rr-www-r.w ...00000101.1", "ok A wwwrr-www-r.w 10000000101.1"),
      ("mremap A+1p 1p 2p 0x1 0x0", "ok elsewhere w..rr-www-r.w 1..00000101.1", "ok A+1p wwwrr-www-r.w 10000000101.1"),
      ("mremap A+10p 1p 2p 0x1 0x0", "ok elsewhere ww.rr-www-..w 10.0000010..1", "ok A+10p ww.rr-www-r-w 10.0000010101"),
    ]),
    ComparedDifference(reason: "V90: WILLNEED brings memory of all kinds, FREE frees at once", cells: [
      ("madvise A+3p 1p 3", "ok ww.rr-www-r.w 10.10000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("madvise A+6p 1p 3", "ok ww.rr-www-r.w 10.00010101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("madvise A 1p 8", "ok ww.rr-www-r.w 00.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
    ]),
    ComparedDifference(reason: "advice that is Linux's alone: DONTFORK, DONTDUMP, COLD", cells: [
      ("madvise A 1p 10", "errno 22 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("madvise A 1p 16", "errno 22 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
      ("madvise A 1p 20", "errno 22 ww.rr-www-r.w 10.00000101.1", "ok ww.rr-www-r.w 10.00000101.1"),
    ]),
  ]
}
