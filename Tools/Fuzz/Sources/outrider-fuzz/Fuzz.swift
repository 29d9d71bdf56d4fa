import CFuzzer
import Glibc

/// libFuzzer around one of the targets. Its options and folders are this program's arguments; which target it is says
/// OUTRIDER_FUZZ_TARGET, since the fuzzer starts itself again for some of its work, with arguments of its own.
@main enum Fuzz {
    private static let target = unsafe getenv("OUTRIDER_FUZZ_TARGET").flatMap {
        unsafe FuzzTarget(rawValue: String(cString: $0))
    }

    static func main() {
        guard target != nil else {
            let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
            print("outrider-fuzz: OUTRIDER_FUZZ_TARGET is none of \(names)")
            exit(64)
        }
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
        exit(unsafe LLVMFuzzerRunDriver(&count, &arguments) { unsafe Fuzz.one($0, $1) })
    }

    private static func one(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
        let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: size))
        do {
            try target?.run(bytes)
        } catch {
            print("\(error)")
            // The fuzzer keeps the input of a process that aborts.
            abort()
        }
        return 0
    }
}
