/// A message whose fields do not form a valid value; nothing was changed by it.
public struct MappingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Field path, such as `hello.leases.block`.
    public let field: String
    /// The value found and what is accepted.
    public let detail: String
    public init(field: String, detail: String) {
        self.field = field
        self.detail = detail
    }
    public var description: String { "field \(field): \(detail)" }
}
