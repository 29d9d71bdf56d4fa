import CNetlinkShim
import Glibc

/// rtnetlink inside one namespace: changes, batches and dumps. Used by one task or queue at a time.
public final class RouteSocket {
    /// The namespace that this socket acts in.
    public let sockets: NamespaceSockets
    let socket: NetlinkSocket
    /// Change messages (RTM_NEW*, RTM_DEL*) sent so far.
    public internal(set) var writes = 0

    /// Messages per sendto(2): measured best with an acknowledgement on the last only.
    static let messagesPerSend = 256
    private static let answerWaitMilliseconds: Int32 = 30_000

    public init(in sockets: NamespaceSockets) throws(NetlinkError) {
        self.sockets = sockets
        socket = try NetlinkSocket(
            protocol: NETLINK_ROUTE, in: sockets, answerWaitMilliseconds: Self.answerWaitMilliseconds)
    }

    /// For a scripted kernel.
    init(adopting socket: NetlinkSocket, in sockets: NamespaceSockets) {
        self.sockets = sockets
        self.socket = socket
    }

    /// Netlink port of this socket: the sender that notifications of its changes name.
    public var port: UInt32 { outrider_nl_port(socket.fd) }

    /// Sends one change and waits for its acknowledgement.
    func change(_ message: RouteMessage) throws(NetlinkError) {
        if let error = try batch([message]).first?.value { throw error }
    }

    /// Sends changes, many per system call, and returns the errors by index of the failed message.
    ///
    /// rtnetlink carries out each message on its own: one that fails stops none of the others. Only the last message of
    /// a send asks for an acknowledgement; errors of the others come unasked.
    /// - Throws: when the outcome is unknown (overrun, truncation, time-out); any of the changes may have happened.
    func batch(_ messages: [RouteMessage]) throws(NetlinkError) -> [Int: NetlinkError] {
        var errors: [Int: NetlinkError] = [:]
        var start = 0
        while start < messages.count {
            let end = min(start + Self.messagesPerSend, messages.count)
            for (offset, outcome) in try sendAndWait(messages[start..<end]) {
                errors[start + offset] = messages[start + offset].error(code: outcome.code, detail: outcome.text)
            }
            start = end
        }
        return errors
    }

    /// Outcomes that are errors, by offset in `messages`.
    private func sendAndWait(
        _ messages: ArraySlice<RouteMessage>
    ) throws(NetlinkError) -> [Int: NetlinkAnswer.Outcome] {
        var bytes: [UInt8] = []
        var sequences: [UInt32: Int] = [:]
        var last: UInt32 = 0
        for (offset, message) in messages.enumerated() {
            last = socket.nextSequence()
            sequences[last] = offset
            let position = bytes.count
            bytes += message.bytes
            bytes += Array(repeating: 0, count: -message.bytes.count & 3)
            let flags = offset == messages.count - 1 ? NetlinkFlag.acknowledge : 0
            unsafe bytes.withUnsafeMutableBytes {
                unsafe outrider_nl_stamp($0.baseAddress?.advanced(by: position), last, flags)
            }
        }
        writes += messages.count
        try socket.send(bytes)
        var errors: [Int: NetlinkAnswer.Outcome] = [:]
        while true {
            guard let part = try socket.receive(waitMilliseconds: socket.answerWaitMilliseconds) else {
                throw NetlinkError(operation: "wait for the kernel's answer", code: ETIMEDOUT)
            }
            var finished = false
            for answer in part {
                guard let offset = sequences[answer.sequence], let outcome = answer.outcome else { continue }
                if outcome.code != 0 { errors[offset] = outcome }
                if answer.sequence == last { finished = true }
            }
            if finished { return errors }
        }
    }

    /// Sends a dump request and turns each row of type `type` into a value; rows that are nil are left out.
    func dump<Row>(
        _ message: RouteMessage, _ parse: (NetlinkAnswer) throws(NetlinkError) -> Row?
    ) throws(NetlinkError) -> [Row] {
        var rows: [Row] = []
        for answer in try socket.dump(message.bytes, operation: message.operation) {
            if let row = try parse(answer) { rows.append(row) }
        }
        return rows
    }
}
