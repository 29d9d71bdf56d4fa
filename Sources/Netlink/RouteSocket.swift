import CNetlinkShim
import Glibc

/// rtnetlink inside one namespace: changes, batches and dumps. Used by one task or queue at a time.
public final class RouteSocket {
    /// The namespace that this socket acts in.
    public let sockets: NamespaceSockets
    let socket: NetlinkSocket
    /// Change messages (RTM_NEW*, RTM_DEL*) sent so far.
    public internal(set) var writes = 0
    /// Messages on their way out, kept so that a hundred thousand of them need no memory of their own.
    private var outgoing: [UInt8] = []
    /// Open descriptors of the namespace's `/dev/net/tun` for the next taps: entering a namespace takes a thread, which
    /// costs a quarter of what a tap does.
    private var tuns: [Int32] = []

    /// Messages per sendto(2): measured best with an acknowledgement on the last only.
    static let messagesPerSend = 256
    /// Room that every message fits, with what aligns the next.
    private static let messageRoom = Int(OUTRIDER_NL_MESSAGE_MAX) + 4
    private static let answerWaitMilliseconds: Int32 = 30_000
    private static let tunsKept = 16

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

    deinit { for descriptor in tuns { close(descriptor) } }

    /// An open `/dev/net/tun` of the namespace; the caller closes it.
    func takeTun() throws(NetlinkError) -> Int32 {
        if tuns.isEmpty { tuns = try sockets.openTuns(Self.tunsKept) }
        return tuns.removeLast()
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
        let sequences = try transmit(messages)
        var errors: [Int: NetlinkAnswer.Outcome] = [:]
        while true {
            guard let part = try socket.receive(waitMilliseconds: socket.answerWaitMilliseconds) else {
                throw NetlinkError(operation: "wait for the kernel's answer", code: ETIMEDOUT)
            }
            var finished = false
            for answer in part {
                guard let offset = sequences.offset(of: answer.sequence), offset < messages.count,
                    let outcome = answer.outcome
                else { continue }
                if outcome.code != 0 { errors[offset] = outcome }
                if offset == messages.count - 1 { finished = true }
            }
            if finished { return errors }
        }
    }

    /// One system call for all messages; the last asks for an acknowledgement.
    private func transmit(_ messages: ArraySlice<RouteMessage>) throws(NetlinkError) -> SequenceRun {
        // Taken out for the time being: an array that two own is copied by its first write.
        var room = outgoing
        outgoing = []
        defer { outgoing = room }
        var used = 0
        var sequences = SequenceRun()
        for (offset, message) in messages.enumerated() {
            if room.count - used < Self.messageRoom {
                room += [UInt8](repeating: 0, count: max(room.count, 4 * Self.messageRoom))
            }
            let flags = offset == messages.count - 1 ? NetlinkFlag.acknowledge : 0
            let sequence = socket.nextSequence()
            if offset == 0 { sequences = SequenceRun(first: sequence) }
            let length = unsafe room.withUnsafeMutableBytes { bytes in
                let target = unsafe bytes.baseAddress?.advanced(by: used)
                let length = unsafe message.write(to: target, capacity: bytes.count - used)
                if length > 0 { unsafe outrider_nl_stamp(target, sequence, flags) }
                return length
            }
            used += Int(try checked(length, message.operation, message.object) + 3) & ~3
        }
        writes += messages.count
        try socket.send(room, count: used)
        return sequences
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

/// Sequence numbers of messages sent together, in their order: consecutive, but never 0.
struct SequenceRun {
    var first: UInt32 = 1

    /// Place of a sequence number in the run; nil for 0, which marks events.
    func offset(of sequence: UInt32) -> Int? {
        guard sequence != 0 else { return nil }
        return sequence >= first ? Int(sequence - first) : Int(UInt32.max - first) + Int(sequence)
    }
}
