public import NetworkTypes

/// An operator's weight of one host: how much of what is expected there is prepared.
public struct HostWeight: Hashable, Sendable, LosslessStringConvertible {
    public var host: HostID
    /// 1 is ordinary; nothing is staged ahead where it is 0.
    public var weight: Double

    /// As in `hv-07=0.5`: at most 100, without an exponent.
    public init?(_ description: String) {
        let parts = description.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let host = HostID(parts[0]), !parts[1].isEmpty,
            parts[1].allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let weight = Double(parts[1]),
            (0...100).contains(weight)
        else { return nil }
        (self.host, self.weight) = (host, weight)
    }

    public var description: String { "\(host)=\(weight)" }
}
