import NetworkTypes

/// How one kind of value is written in a configuration file.
public struct ValueFormat<Value: Sendable>: Sendable {
    /// What is accepted, as the end of the sentence "expected ...".
    public let expected: String
    /// Nil when the text is not of this form or out of range.
    public let parse: @Sendable (String) -> Value?
    /// The text that `parse` reads back.
    public let print: @Sendable (Value) -> String

    public init(
        expected: String, parse: @escaping @Sendable (String) -> Value?, print: @escaping @Sendable (Value) -> String
    ) {
        self.expected = expected
        self.parse = parse
        self.print = print
    }

    /// A value that is its own text.
    static func losslessText(_ expected: String) -> Self where Value: LosslessStringConvertible {
        Self(expected: expected, parse: { Value($0) }, print: { $0.description })
    }
}

extension ValueFormat where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> Self {
        Self(
            expected: "a whole number, \(range.lowerBound) ... \(range.upperBound)",
            parse: { text in Int(text).flatMap { range.contains($0) ? $0 : nil } }, print: { String($0) })
    }

    static func powerOfTwo(_ range: ClosedRange<Int>) -> Self {
        Self(
            expected: "a power of two, \(range.lowerBound) ... \(range.upperBound)",
            parse: { text in
                Int(text).flatMap { range.contains($0) && $0 & ($0 - 1) == 0 ? $0 : nil }
            }, print: { String($0) })
    }
}

extension ValueFormat where Value == UInt16 {
    static var port: Self {
        Self(
            expected: "a port number, 1 ... 65535",
            parse: { text in UInt16(text).flatMap { $0 > 0 ? $0 : nil } }, print: { String($0) })
    }
}

extension ValueFormat where Value == Duration {
    /// Shorter periods would only burn CPU: timers, samples and retries below this do nothing useful.
    static let shortest = Duration.milliseconds(10)

    static func duration(_ range: ClosedRange<Duration> = shortest...Duration.seconds(366 * 86_400)) -> Self {
        let (low, high) = (DurationText.print(range.lowerBound), DurationText.print(range.upperBound))
        return Self(
            expected: "\(DurationText.form), \(low) ... \(high)",
            parse: { text in DurationText.parse(text).flatMap { range.contains($0) ? $0 : nil } },
            print: { DurationText.print($0) })
    }
}

extension ValueFormat where Value == String {
    static var absolutePath: Self {
        Self(
            expected: "an absolute path", parse: { $0.hasPrefix("/") && !$0.contains("\0") ? $0 : nil }, print: { $0 })
    }

    static var groupName: Self {
        Self(
            expected: "the name of a group, 1 ... 32 characters",
            parse: { text in
                let plain = text.utf8.allSatisfy { (33...126).contains($0) && $0 != UInt8(ascii: ":") }
                return (1...32).contains(text.utf8.count) && plain ? text : nil
            }, print: { $0 })
    }
}

extension ValueFormat where Value == SNIRange {
    static var identifierRange: Self {
        Self(
            expected: "FIRST-LAST, two identifiers 0 ... 16777215 (decimal or 0x...), such as 4096-1048575",
            parse: { text in
                let ends = text.split(separator: "-", omittingEmptySubsequences: false).map {
                    $0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
                }
                guard ends.count == 2, let first = SessionNetworkID(String(ends[0])),
                    let last = SessionNetworkID(String(ends[1])), first <= last
                else { return nil }
                return SNIRange(first: first, count: Int(last.rawValue - first.rawValue) + 1)
            }, print: { "\($0.first)-\($0.last)" })
    }
}

extension ValueFormat where Value == IPPrefix {
    static var ipv4Prefix: Self {
        Self(
            expected: "an IPv4 prefix without host bits, /8 ... /24, such as 10.0.0.0/8",
            parse: { text in
                guard let prefix = IPPrefix(text), case .v4(_, 8...24) = prefix, prefix.isCanonical else { return nil }
                return prefix
            }, print: { $0.description })
    }

    static var uniqueLocalPrefix: Self {
        Self(
            expected: "an IPv6 unique local prefix (RFC 4193), a /48 inside fd00::/8, such as fd53:4e49:5349::/48",
            parse: { text in
                guard let prefix = IPPrefix(text), case .v6(let address, 48) = prefix, prefix.isCanonical,
                    address.high >> 56 == 0xfd
                else { return nil }
                return prefix
            }, print: { $0.description })
    }
}
