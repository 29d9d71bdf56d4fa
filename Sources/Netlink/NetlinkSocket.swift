import CNetlinkShim
import Glibc

/// One message of the kernel.
public struct NetlinkAnswer: Sendable {
    /// Message type (`nlmsg_type`).
    public var type: UInt16
    /// Message flags (`nlmsg_flags`).
    public var flags: UInt16
    /// Sequence number of the request that it answers; 0 for an event.
    public var sequence: UInt32
    /// Netlink port of whoever caused the message; 0 is the kernel itself.
    public var port: UInt32
    /// The whole message, header included, native byte order.
    public var bytes: [UInt8]
    /// What follows the netlink header.
    public var payload: ArraySlice<UInt8> { bytes.dropFirst(16) }
    /// For an acknowledgement or error (NLMSG_ERROR) and the end of a dump (NLMSG_DONE): errno, 0 for success.
    public var outcome: Outcome?

    /// What the kernel said about a request.
    public struct Outcome: Sendable {
        /// Positive errno, 0 for success.
        public var code: Int32
        /// Extended acknowledgement text, empty when there is none.
        public var text: String
        /// Offset of the offending attribute in the request, 0 when the kernel named none.
        public var offset: UInt32
    }
}

/// A netlink socket inside one namespace, used by one task or queue at a time.
///
/// It checks sequence numbers, reassembles multipart answers, repeats dumps that the kernel calls inconsistent
/// (NLM_F_DUMP_INTR) or that did not fit the buffer (MSG_TRUNC), retries EINTR, and reports lost messages (ENOBUFS) as an
/// overrun after emptying the socket.
public final class NetlinkSocket {
    /// The descriptor, for readiness sources; valid as long as this object lives.
    public let fd: Int32
    private var buffer: [UInt8]
    private var lastSequence: UInt32 = 0
    /// How long an answer may take, milliseconds.
    let answerWaitMilliseconds: Int32

    /// Attempts that a dump gets before ``NetlinkError/isInterrupted``.
    static let dumpAttempts = 8
    /// Receive buffers start here; 32 KiB is the most that the kernel puts into one part of a dump.
    static let initialBufferBytes = 64 << 10
    static let largestBufferBytes = 4 << 20
    /// Kernel buffers: 5,500 nf_tables elements fit the default, a full host's do not.
    static let kernelBufferBytes: Int32 = 16 << 20

    /// Opens and binds a socket of the netlink protocol (NETLINK_ROUTE 0, NETLINK_NETFILTER 12, NETLINK_GENERIC 16).
    /// `answerWaitMilliseconds`: how long an answer of the kernel may take.
    public convenience init(
        protocol number: Int32, in sockets: NamespaceSockets, answerWaitMilliseconds: Int32 = 10_000
    ) throws(NetlinkError) {
        let fd = try sockets.open(domain: AF_NETLINK, type: Int32(SOCK_RAW.rawValue), protocol: number)
        self.init(adopting: fd, answerWaitMilliseconds: answerWaitMilliseconds)
        // nf_tables validates on its own; strict checking is rtnetlink's switch but harmless elsewhere.
        _ = try checked(outrider_nl_prepare(fd, Self.kernelBufferBytes, 1), "prepare netlink socket")
    }

    /// Takes over a descriptor that speaks netlink datagrams.
    init(adopting fd: Int32, bufferBytes: Int = initialBufferBytes, answerWaitMilliseconds: Int32 = 10_000) {
        self.fd = fd
        self.answerWaitMilliseconds = answerWaitMilliseconds
        buffer = [UInt8](repeating: 0, count: bufferBytes)
    }

    deinit { close(fd) }

    /// A sequence number that no message of this socket has; never 0, which marks events.
    public func nextSequence() -> UInt32 {
        lastSequence = lastSequence == .max ? 1 : lastSequence + 1
        return lastSequence
    }

    /// Joins a multicast group (RTNLGRP_*).
    public func join(group: UInt32) throws(NetlinkError) {
        _ = try checked(outrider_nl_join(fd, group), "join netlink group", "\(group)")
    }

    /// Sends whole messages in one system call.
    public func send(_ bytes: [UInt8]) throws(NetlinkError) { try send(bytes, count: bytes.count) }

    /// Sends the whole messages in the first `count` bytes.
    func send(_ bytes: [UInt8], count: Int) throws(NetlinkError) {
        let result = unsafe bytes.withUnsafeBytes { unsafe outrider_nl_send(fd, $0.baseAddress, min(count, $0.count)) }
        _ = try checked(result, "send netlink message")
    }

    /// Sends one message under a sequence number, leaving the given bytes as they are.
    func send(_ message: [UInt8], sequence: UInt32) throws(NetlinkError) {
        let result = unsafe message.withUnsafeBytes {
            unsafe outrider_nl_send_stamped(fd, $0.baseAddress, $0.count, sequence)
        }
        _ = try checked(result, "send netlink message")
    }

    /// Everything that the kernel has queued, without waiting: rtnetlink and nf_tables queue their answers before
    /// sendto(2) returns.
    public func receiveAll() throws(NetlinkError) -> [NetlinkAnswer] {
        var answers: [NetlinkAnswer] = []
        while let part = try receive(waitMilliseconds: 0) { answers += part }
        return answers
    }

    /// The messages of one datagram; nil when none came in time. Negative waits without end.
    public func receive(waitMilliseconds: Int32) throws(NetlinkError) -> [NetlinkAnswer]? {
        let result = unsafe buffer.withUnsafeMutableBytes {
            unsafe outrider_nl_receive(fd, $0.baseAddress, $0.count, waitMilliseconds)
        }
        switch result {
        case -EAGAIN, -ETIMEDOUT:
            return nil
        case ..<0:
            if result == -ENOBUFS { discardQueued() }
            throw NetlinkError(operation: "receive netlink message", code: -result)
        default:
            if Int(result) > buffer.count { throw truncated(needed: Int(result)) }
            return try split(length: Int(result))
        }
    }

    /// Hands one datagram over as it came, without copying its messages; nil when none came in time.
    func receiveDatagram<Result>(
        waitMilliseconds: Int32, _ body: (UnsafeRawBufferPointer) -> Result
    ) throws(NetlinkError) -> Result? {
        let length = unsafe buffer.withUnsafeMutableBytes {
            unsafe outrider_nl_receive(fd, $0.baseAddress, $0.count, waitMilliseconds)
        }
        if length == -EAGAIN || length == -ETIMEDOUT { return nil }
        if length == -ENOBUFS { discardQueued() }
        let count = Int(try checked(length, "receive netlink message"))
        if count > buffer.count { throw truncated(needed: count) }
        return unsafe buffer.withUnsafeBytes { unsafe body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }

    /// Sends one dump request (its sequence number is set here) and returns all its rows.
    ///
    /// The kernel can return fewer rows than exist when they change meanwhile, without saying so: a missing row is never
    /// a reason to delete anything.
    public func dump(_ request: [UInt8], operation: String = "dump") throws(NetlinkError) -> [NetlinkAnswer] {
        var last = NetlinkError(operation: operation, code: EINTR)
        for _ in 0..<Self.dumpAttempts {
            do throws(NetlinkError) {
                if let rows = try dumpOnce(request, operation: operation) { return rows }
            } catch {
                guard error.isTruncated, buffer.count < Self.largestBufferBytes else { throw error }
                last = error
                discardQueued()
            }
        }
        throw last
    }

    /// Nil when the kernel marked the dump as interrupted.
    private func dumpOnce(_ request: [UInt8], operation: String) throws(NetlinkError) -> [NetlinkAnswer]? {
        let sequence = nextSequence()
        var message = request
        unsafe message.withUnsafeMutableBytes { unsafe outrider_nl_stamp($0.baseAddress, sequence, 0) }
        try send(message)
        var rows: [NetlinkAnswer] = []
        var interrupted = false
        while true {
            guard let part = try receive(waitMilliseconds: answerWaitMilliseconds) else {
                throw NetlinkError(operation: operation, code: ETIMEDOUT)
            }
            for answer in part where answer.sequence == sequence {
                if answer.flags & UInt16(NetlinkFlag.dumpInterrupted) != 0 { interrupted = true }
                guard let outcome = answer.outcome else {
                    rows.append(answer)
                    continue
                }
                if outcome.code == EINTR || outcome.code == EAGAIN { return nil }
                guard outcome.code == 0 else {
                    throw NetlinkError(operation: operation, code: outcome.code, detail: outcome.text)
                }
                return interrupted ? nil : rows
            }
        }
    }

    /// Sends one request that is answered by one message (a single RTM_GET*), and returns that message.
    func request(_ message: [UInt8], operation: String, object: String) throws(NetlinkError) -> NetlinkAnswer {
        for _ in 0..<Self.dumpAttempts {
            let sequence = nextSequence()
            var stamped = message
            unsafe stamped.withUnsafeMutableBytes { unsafe outrider_nl_stamp($0.baseAddress, sequence, 0) }
            try send(stamped)
            do throws(NetlinkError) {
                while let part = try receive(waitMilliseconds: answerWaitMilliseconds) {
                    guard let answer = part.first(where: { $0.sequence == sequence }) else { continue }
                    guard let outcome = answer.outcome else { return answer }
                    throw NetlinkError(operation: operation, object: object, code: outcome.code, detail: outcome.text)
                }
            } catch {
                // The buffer has grown; the answer is lost and must be asked for again.
                guard error.isTruncated else { throw error }
                continue
            }
            throw NetlinkError(operation: operation, object: object, code: ETIMEDOUT)
        }
        throw NetlinkError(operation: operation, object: object, code: EMSGSIZE)
    }

    private func split(length: Int) throws(NetlinkError) -> [NetlinkAnswer] {
        var answers: [NetlinkAnswer] = []
        var offset = 0
        while offset < length {
            var header = outrider_nl_header()
            let next = unsafe buffer.withUnsafeBytes {
                unsafe outrider_nl_header_at($0.baseAddress, length, offset, &header)
            }
            let start = offset
            offset = Int(try checked(next, "read netlink message"))
            if header.type == NetlinkFlag.overrunType {
                discardQueued()
                throw NetlinkError(operation: "receive netlink message", code: ENOBUFS)
            }
            if header.type == NetlinkFlag.noopType { continue }
            let bytes = Array(buffer[start..<start + Int(header.length)])
            answers.append(
                NetlinkAnswer(
                    type: header.type, flags: header.flags, sequence: header.sequence, port: header.port,
                    bytes: bytes,
                    outcome: try outcome(of: bytes, type: header.type)))
        }
        return answers
    }

    private func outcome(of bytes: [UInt8], type: UInt16) throws(NetlinkError) -> NetlinkAnswer.Outcome? {
        guard type == NetlinkFlag.errorType || type == NetlinkFlag.doneType else { return nil }
        var error = outrider_nl_error()
        let result = unsafe bytes.withUnsafeBytes { unsafe outrider_nl_parse_error($0.baseAddress, $0.count, &error) }
        _ = try checked(result, "read netlink error")
        let text = unsafe withUnsafeBytes(of: &error.text) { field in
            unsafe String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
        }
        return NetlinkAnswer.Outcome(code: error.error, text: text, offset: error.offset)
    }

    /// Grows the buffer for the next attempt; what was cut is lost.
    private func truncated(needed: Int) -> NetlinkError {
        if buffer.count < Self.largestBufferBytes {
            buffer = [UInt8](repeating: 0, count: min(max(needed, buffer.count * 2), Self.largestBufferBytes))
        }
        return NetlinkError(operation: "receive netlink message of \(needed) bytes", code: EMSGSIZE)
    }

    /// Empties the socket, so that the next request does not meet the answers of the last.
    func discardQueued() {
        while true {
            let result = unsafe buffer.withUnsafeMutableBytes {
                unsafe outrider_nl_receive(fd, $0.baseAddress, $0.count, 0)
            }
            if result < 0, result != -ENOBUFS { return }
        }
    }
}

/// Numbers of `linux/netlink.h` that are needed on the Swift side.
enum NetlinkFlag {
    static let noopType: UInt16 = 1
    static let errorType: UInt16 = 2
    static let doneType: UInt16 = 3
    static let overrunType: UInt16 = 4
    static let acknowledge: UInt16 = 0x04
    static let dumpInterrupted: UInt16 = 0x10
}
