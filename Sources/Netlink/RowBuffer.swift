import CNetlinkShim
import Glibc

/// Memory for the rows of a dump, kept from one reading to the next: it grows when there are more rows than ever before,
/// and a steady state allocates nothing.
struct RowBuffer<Row> {
    fileprivate var storage: [Row]
    fileprivate(set) var count = 0
    private let blank: Row

    init(blank: Row, capacity: Int = 256) {
        self.blank = blank
        storage = Array(repeating: blank, count: capacity)
    }

    /// The rows of the last dump.
    var valid: ArraySlice<Row> { storage[..<count] }

    fileprivate mutating func grow() {
        count = 0
        storage = Array(repeating: blank, count: storage.count * 2)
    }
}

/// A shim's reader of one datagram.
typealias RowParser<Row> = (
    UnsafeRawPointer?, Int, UnsafeMutablePointer<Row>?, Int, UnsafeMutablePointer<outrider_dump>?
) -> Int32

extension NetlinkSocket {
    /// Rows that no host has: more means a broken kernel or a hostile sender.
    private static var rowsMax: Int { 1 << 22 }

    /// Sends one dump request and reads its rows into `rows`, without a copy of any message. Repeats dumps that are
    /// inconsistent or did not fit, as ``dump(_:operation:)`` does.
    func dump<Row>(
        _ request: [UInt8], into rows: inout RowBuffer<Row>, operation: String, _ parse: RowParser<Row>
    ) throws(NetlinkError) {
        // Growing by doubling takes more attempts than an unquiet kernel.
        for _ in 0..<Self.dumpAttempts + 22 {
            do throws(NetlinkError) {
                if try unsafe dumpOnce(request, into: &rows, operation: operation, parse) { return }
            } catch {
                guard error.isTruncated else { throw error }
                discardQueued()
            }
        }
        throw NetlinkError(operation: operation, code: EINTR)
    }

    /// False when it must be tried again.
    private func dumpOnce<Row>(
        _ request: [UInt8], into rows: inout RowBuffer<Row>, operation: String, _ parse: RowParser<Row>
    ) throws(NetlinkError) -> Bool {
        var progress = outrider_dump()
        progress.sequence = nextSequence()
        try send(request, sequence: progress.sequence)
        while true {
            let capacity = rows.storage.count
            let result = try unsafe receiveDatagram(waitMilliseconds: answerWaitMilliseconds) { datagram in
                unsafe rows.storage.withUnsafeMutableBufferPointer { storage in
                    unsafe parse(datagram.baseAddress, datagram.count, storage.baseAddress, capacity, &progress)
                }
            }
            guard let result else { throw NetlinkError(operation: operation, code: ETIMEDOUT) }
            switch result {
            case 0: continue
            case 1:
                rows.count = progress.count
                return progress.interrupted == 0
            case -ENOSPC:
                guard capacity < Self.rowsMax else { throw NetlinkError(operation: operation, code: ENOSPC) }
                discardQueued()
                rows.grow()
                return false
            case -EINTR, -EAGAIN: return false
            default:
                discardQueued()
                throw NetlinkError(operation: operation, code: -result)
            }
        }
    }
}
