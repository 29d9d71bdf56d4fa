/// Bytes from outside and what the product does with them. `./run fuzz NAME` looks for bytes that end the process or break
/// a promise; the corpus of what it found replays at every run of the tests.
enum FuzzTarget: String, CaseIterable, Sendable {
    /// Answers of the kernel, to every reader of this product.
    case netlink
    /// The agent's journal, as found and damaged.
    case journal
    /// Messages on the agent's socket.
    case calls

    /// Runs one input.
    ///
    /// - Throws: ``BrokenPromise``. Everything else that goes wrong ends the process.
    func run(_ input: [UInt8]) throws {
        switch self {
        case .netlink: try NetlinkReaders.run(input)
        case .journal: try JournalFiles.run(input)
        case .calls: try LocalCalls.run(input)
        }
    }
}

/// The product did not crash, and yet did what it must not.
struct BrokenPromise: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Takes an input apart, from the front; past its end there are zeros.
struct InputReader {
    private var rest: ArraySlice<UInt8>

    init(_ input: [UInt8]) { rest = input[...] }

    var isEmpty: Bool { rest.isEmpty }

    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    mutating func number() -> Int { Int(byte()) | Int(byte()) << 8 }

    mutating func bytes(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func remainder() -> [UInt8] { bytes(rest.count) }
}
