/// What a command ends with when it cannot do what it was asked: one plain sentence for the user.
public struct Failure: Error, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}
