/// What mke2fs calls the features that we refuse.
enum FeatureName {
  static func of(_ refusal: MountRefusal, _ bit: Int) -> StaticString? {
    switch refusal.kind {
    case .incompatible: incompatible(bit)
    case .readOnly: readOnly(bit)
    case .other: nil
    }
  }

  private static func incompatible(_ bit: Int) -> StaticString? {
    switch bit {
    case 0: "compression"
    case 2: "needs_recovery"
    case 3: "journal_dev"
    case 4: "meta_bg"
    case 6: "extents"
    case 7: "64bit"
    case 8: "mmp"
    case 9: "flex_bg"
    case 10: "ea_inode"
    case 12: "dirdata"
    case 13: "metadata_csum_seed"
    case 14: "large_dir"
    case 15: "inline_data"
    case 16: "encrypt"
    case 17: "casefold"
    default: nil
    }
  }

  private static func readOnly(_ bit: Int) -> StaticString? {
    switch bit {
    case 2: "btree_dir"
    case 3: "huge_file"
    case 4: "uninit_bg"
    case 5: "dir_nlink"
    case 6: "extra_isize"
    case 8: "quota"
    case 9: "bigalloc"
    case 10: "metadata_csum"
    case 12: "read-only"
    case 13: "project"
    case 15: "verity"
    default: nil
    }
  }
}

/// Why a mount failed, or went only half the way: a text and the feature bits (or group) that it speaks of.
public struct MountRefusal {
  public enum Kind: Sendable { case incompatible, readOnly, other }
  public var reason: StaticString
  public var bits: UInt32
  public var kind: Kind
  public init(reason: StaticString = "", bits: UInt32 = 0, kind: Kind = .other) {
    self.reason = reason
    self.bits = bits
    self.kind = kind
  }
}
