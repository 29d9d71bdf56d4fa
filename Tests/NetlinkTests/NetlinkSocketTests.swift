import Dispatch
import Glibc
import Testing

@testable import Netlink

/// The rules of netlink, against a kernel that is scripted: the other end of a socket pair.
@Suite struct NetlinkSocketTests {
    /// Messages of one datagram each; the socket under test reads them in order.
    final class Script {
        let socket: NetlinkSocket
        private let kernel: Int32

        init(bufferBytes: Int = NetlinkSocket.initialBufferBytes) throws {
            var pair: [Int32] = [0, 0]
            try #require(unsafe socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &pair) == 0)
            socket = NetlinkSocket(adopting: pair[0], bufferBytes: bufferBytes, answerWaitMilliseconds: 1000)
            kernel = pair[1]
        }

        deinit { close(kernel) }

        func send(_ messages: [UInt8]...) {
            let bytes = Array(messages.joined())
            #expect(unsafe Glibc.send(kernel, bytes, bytes.count, 0) == bytes.count)
        }

        /// Answers the request with this sequence number when it comes.
        func answer(_ sequence: UInt32, with datagram: [UInt8]) {
            let descriptor = kernel
            DispatchQueue.global().async {
                var buffer = [UInt8](repeating: 0, count: 65536)
                while unsafe recv(descriptor, &buffer, buffer.count, 0) >= 16 {
                    guard load32(buffer, 8) == sequence else { continue }
                    _ = unsafe Glibc.send(descriptor, datagram, datagram.count, 0)
                    return
                }
            }
        }
    }

    static let row: UInt16 = 24
    static let request = message(type: 26, flags: 0x301, sequence: 0, [UInt8](repeating: 0, count: 12))

    static func done(_ sequence: UInt32, flags: UInt16 = 2, code: Int32 = 0) -> [UInt8] {
        message(type: 3, flags: flags, sequence: sequence, bytes(of: code))
    }

    @Test func multipartDumpIsPutTogether() throws {
        let script = try Script()
        script.send(
            message(type: Self.row, flags: 2, sequence: 1, [1, 0, 0, 0]),
            message(type: Self.row, flags: 2, sequence: 1, [2, 0, 0, 0]))
        script.send(message(type: Self.row, flags: 2, sequence: 1, [3, 0, 0, 0]), Self.done(1))
        let rows = try script.socket.dump(Self.request)
        #expect(rows.map { $0.payload.first } == [1, 2, 3])
    }

    @Test func answersToOtherRequestsAreLeftOut() throws {
        let script = try Script()
        script.send(message(type: Self.row, flags: 2, sequence: 99, [9]), Self.done(99))
        script.send(message(type: Self.row, flags: 2, sequence: 1, [1]), Self.done(1))
        #expect(try script.socket.dump(Self.request).map { $0.payload.first } == [1])
    }

    @Test func interruptedDumpIsRepeated() throws {
        let script = try Script()
        // NLM_F_DUMP_INTR on one row of the first attempt, on the end of the second.
        script.send(message(type: Self.row, flags: 0x12, sequence: 1, [1]), Self.done(1))
        script.send(message(type: Self.row, flags: 2, sequence: 2, [2]), Self.done(2, flags: 0x12))
        script.send(message(type: Self.row, flags: 2, sequence: 3, [3]), Self.done(3))
        #expect(try script.socket.dump(Self.request).map { $0.payload.first } == [3])
    }

    @Test func interruptionIsReportedWhenItNeverEnds() throws {
        let script = try Script()
        for sequence in 1...UInt32(NetlinkSocket.dumpAttempts) { script.send(Self.done(sequence, flags: 0x12)) }
        let error = #expect(throws: NetlinkError.self) { try script.socket.dump(Self.request) }
        #expect(error?.isInterrupted == true)
    }

    @Test func cutDumpIsRepeatedWithALargerBuffer() throws {
        let script = try Script(bufferBytes: 64)
        let long = [UInt8](repeating: 7, count: 200)
        script.send(message(type: Self.row, flags: 2, sequence: 1, long), Self.done(1))
        // The kernel answers the second request with the same row, once it has been asked.
        script.answer(2, with: message(type: Self.row, flags: 2, sequence: 2, long) + Self.done(2))
        let rows = try script.socket.dump(Self.request)
        #expect(rows.count == 1 && rows.first?.payload.count == 200)
    }

    @Test func cutMessageIsNeverTakenForAShortOne() throws {
        let script = try Script(bufferBytes: 32)
        script.send(message(type: Self.row, flags: 0, sequence: 0, [UInt8](repeating: 1, count: 64)))
        let error = #expect(throws: NetlinkError.self) { try script.socket.receive(waitMilliseconds: 0) }
        #expect(error?.isTruncated == true)
    }

    @Test func errorAtTheEndOfADumpIsThrown() throws {
        let script = try Script()
        script.send(Self.done(1, code: -EOPNOTSUPP))
        let error = #expect(throws: NetlinkError.self) { try script.socket.dump(Self.request) }
        #expect(error?.code == EOPNOTSUPP)
    }

    @Test func overrunMessageIsTyped() throws {
        let script = try Script()
        script.send(message(type: 4, flags: 0, sequence: 0, []))
        let error = #expect(throws: NetlinkError.self) { try script.socket.receiveAll() }
        #expect(error?.isOverrun == true)
    }

    @Test func brokenLengthIsAnError() throws {
        let script = try Script()
        var bytes = message(type: Self.row, flags: 0, sequence: 0, [1, 2, 3, 4])
        bytes[0] = 200
        script.send(bytes)
        let error = #expect(throws: NetlinkError.self) { try script.socket.receiveAll() }
        #expect(error?.code == EBADMSG)
    }

    @Test func extendedTextAndOffsetAreRead() throws {
        let script = try Script()
        // nlmsgerr (error, capped header), NLMSGERR_ATTR_MSG "Bad thing", NLMSGERR_ATTR_OFFS 28.
        let text = Array("Bad thing\0".utf8)
        let head = bytes(of: -EINVAL) + message(type: 24, flags: 5, sequence: 1, [])
        let attributes =
            [UInt8(4 + text.count), 0, 1, 0] + text + [UInt8](repeating: 0, count: -text.count & 3)
            + [8, 0, 2, 0] + bytes(of: Int32(28))
        script.send(message(type: 2, flags: 0x300, sequence: 1, head + attributes))
        let outcome = try #require(try script.socket.receiveAll().first?.outcome)
        #expect(outcome.code == EINVAL)
        #expect(outcome.text == "Bad thing")
        #expect(outcome.offset == 28)
    }
}

func bytes<Number: FixedWidthInteger>(of number: Number) -> [UInt8] {
    unsafe withUnsafeBytes(of: number) { unsafe Array($0) }
}

func load32(_ buffer: [UInt8], _ offset: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(buffer[offset + $1]) << (8 * UInt32($1)) }
}

/// One netlink message, padded.
func message(type: UInt16, flags: UInt16, sequence: UInt32, _ payload: [UInt8]) -> [UInt8] {
    let length = 16 + payload.count
    return bytes(of: UInt32(length)) + bytes(of: type) + bytes(of: flags) + bytes(of: sequence) + bytes(of: UInt32(0))
        + payload + [UInt8](repeating: 0, count: -payload.count & 3)
}
