public import NetworkTypes
import Foundation

/// Echo requests as they leave through a port, towards its VM: tcpdump's word, independent of the product's counters.
public final class PortSniffer: Sendable {
    private let child: ChildProcess

    /// One request on its way.
    public struct Request: Hashable, Sendable {
        public var source: PeerAddress
        public var identifier: Int
        public var sequence: Int
    }

    /// Listens on a device of a namespace until ``stop()``. Of each packet the first bytes only: its buffer has as many slots
    /// as packets of the longest length fit, 64 of the default.
    public init(_ device: String, in namespace: String) throws(KitError) {
        child = try ChildProcess(
            ["tcpdump", "-n", "-l", "--immediate-mode", "-s", "128", "-B", "16384", "-i", device, "icmp or icmp6"],
            namespace: namespace,
            output: Command.temporaryPath(".tcpdump"))
        let deadline = ContinuousClock.now + .seconds(10)
        while !child.outputText.contains("listening on") {
            guard child.isRunning, ContinuousClock.now < deadline else {
                throw .unexpected("tcpdump on \(device): \(child.outputText)")
            }
            usleep(2_000)
        }
    }

    deinit {
        child.kill()
        unlink(child.output)
    }

    /// Ends the listening; every request that was seen, in order.
    ///
    /// - Throws: when the kernel kept some from tcpdump, which nothing may then be concluded from.
    public func stop() throws(KitError) -> [Request] {
        child.signal(SIGINT)
        _ = try child.wait(timeout: .seconds(10))
        let lines = child.outputText.split(separator: "\n")
        for line in lines where line.hasSuffix("packets dropped by kernel") && !line.hasPrefix("0 ") {
            throw .unexpected("tcpdump did not see everything: \(line)")
        }
        return lines.compactMap(Self.request)
    }

    /// `TIME IP SOURCE > DESTINATION: ICMP echo request, id 7, seq 3, length 56`, for IPv6 `IP6` and `ICMP6, echo request`.
    private static func request(_ line: Substring) -> Request? {
        guard line.contains("echo request") else { return nil }
        let words = line.split(separator: " ").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: ",:")) }
        func number(after word: String) -> Int? {
            guard let place = words.firstIndex(of: word), place + 1 < words.count else { return nil }
            return Int(words[place + 1])
        }
        guard words.count > 4, let source = PeerAddress(words[2]), let identifier = number(after: "id"),
            let sequence = number(after: "seq")
        else { return nil }
        return Request(source: source, identifier: identifier, sequence: sequence)
    }
}
