import IPC

/// A row of the grant table: somebody may reach somebody's memory. Its id is slot and generation, so an id that
/// was revoked never works again (M-N6).
struct Grant<Context: ThreadContext>: BitwiseCopyable {
  typealias Pointer = UnsafeMutablePointer<Grant<Context>>

  var kind = GrantKind.free
  /// Links of the chain down to the memory; 1 for what is not indirect.
  var depth: UInt8 = 1
  var access: UInt32 = 0
  var generation: UInt32 = 0
  var owner: Thread<Context>.Pointer?
  var grantee = Endpoint.none
  /// Of `own` and `caller`: where. Of `indirect`: the offset in the grant `parent`.
  var address: UInt64 = 0
  var length: UInt64 = 0
  /// Of `caller`: who waited for the owner, in which of its requests. Of `indirect`: who granted `parent`.
  var client = Endpoint.none
  var serial: UInt32 = 0
  var parent: UInt64 = 0
  /// In the owner's list; `next` also in the free list.
  var next: Pointer?
  var previous: Pointer?
}

enum GrantKind: BitwiseCopyable { case free, own, caller, indirect }
