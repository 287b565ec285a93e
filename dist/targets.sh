# The targets, their tools, and the variables with which cargo builds for one of them. The scripts
# of dist/ source it in the project's folder. Like dist/build and dist/cargo it runs in bash 3.2,
# the version on macOS.

tools=$PWD/target/tools/cross
host_rust=$(rustc -vV 2>/dev/null | sed -n 's/^host: //p') || host_rust=
# The programs of rustup's toolchain that read and write object files of all targets.
host_tools=$(rustc --print sysroot 2>/dev/null || :)/lib/rustlib/$host_rust/bin

# For each target: zig's name, or `-` if another compiler links; the processor that QEMU emulates on
# other machines; the Debian packages.
targets='
x86_64-unknown-linux-gnu   x86_64-linux-gnu.2.17   -
aarch64-unknown-linux-gnu  aarch64-linux-gnu.2.17  aarch64  libc6-arm64-cross libstdc++6-arm64-cross
x86_64-unknown-linux-musl  x86_64-linux-musl       -        musl
aarch64-unknown-linux-musl aarch64-linux-musl      aarch64  musl:arm64
x86_64-pc-windows-gnu      -                       -        gcc-mingw-w64-x86-64-posix wine64
x86_64-pc-windows-msvc     -                       -
aarch64-pc-windows-msvc    -                       -
x86_64-apple-darwin        x86_64-macos-none       -
aarch64-apple-darwin       aarch64-macos-none      -
'
# The targets that a Linux machine can build.
built_here='x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-unknown-linux-musl
aarch64-unknown-linux-musl x86_64-pc-windows-gnu'

fail() { echo "$0: $*" >&2; exit 1; }
# cargo splits the variables for its tools at spaces.
case $PWD in *[[:space:]]*) fail "the path $PWD has a space: move the checkout" ;; esac

# Reads the row of a target.
choose() {
    target=$1
    read -r _ zig emulated packages < <(awk -v name="$target" '$1 == name' <<<"$targets") ||
        fail "there is no target '$target': choose one of" $(awk '{ print $1 }' <<<"$targets")
    if [ "$emulated" = "$(uname -m)" ]; then
        emulated=- packages=$([[ $target != *-musl ]] || echo musl)
    fi
    # On macOS the system's own compiler links.
    case $host_rust in *-apple-darwin) zig=- ;; esac
    variable=${target//-/_}
    # The runner is also a prefix for other programs of the target.
    runner=$tools/bin/run-$target
}

# Whether rustc has the target's standard library, or its source. In a pattern, the backslashes of a
# Windows path would quote the next character.
rustlib() { echo "$("$1" --print sysroot | tr '\\' /)/lib/rustlib"; }
has_std() { compgen -G "$(rustlib "$1")/$target/lib/libstd-*" >/dev/null; }
has_source() { [ -e "$(rustlib "$1")/src/rust/library/Cargo.toml" ]; }

# Exports the variables for cargo. Needs the tools that dist/toolchain installs.
use() {
    choose "$1"
    [ -n "$host_rust" ] || fail "rustc is missing: install Rust (https://rustup.rs)"
    local upper
    upper=$(tr '[:lower:]' '[:upper:]' <<<"$variable")
    export PATH=$PATH:$tools/bin
    if ! has_std rustc; then
        if ! has_source rustc; then
            [ -x "$tools/bin/rustc" ] ||
                fail "Rust's standard library for $target is missing: run dist/toolchain $target"
            export RUSTC=$tools/bin/rustc RUSTDOC=$tools/bin/rustdoc
        fi
        export RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=std,panic_unwind
    fi
    if [ "$zig" != - ]; then
        [ -x "$tools/bin/cc-$target" ] || fail "zig is missing: run dist/toolchain $target"
        export ZIG_GLOBAL_CACHE_DIR=$tools/zig-cache XDG_CACHE_HOME=$tools/cache
        export "CARGO_TARGET_${upper}_LINKER=$tools/bin/cc-$target"
        export "CC_$variable=$tools/bin/cc-$target" "AR_$variable=$tools/bin/zig-ar"
        export "CXX_$variable=$tools/bin/c++-$target" "OBJCOPY_$variable=$tools/bin/objcopy"
        export "LD_$variable=$host_tools/gcc-ld/ld.lld"
    elif [ "$target" = x86_64-pc-windows-gnu ] && [ "$host_rust" != "$target" ]; then
        local prefix=x86_64-w64-mingw32
        command -v $prefix-gcc-posix >/dev/null ||
            fail "$prefix-gcc-posix is missing: run dist/toolchain $target"
        export "CARGO_TARGET_${upper}_LINKER=$prefix-gcc-posix"
        export "CC_$variable=$prefix-gcc-posix" "AR_$variable=$prefix-ar"
        export "OBJCOPY_$variable=$prefix-objcopy"
        export "CARGO_TARGET_${upper}_RUNNER=$PWD/tests/windows/wine"
    fi
    [ "$emulated" = - ] || export "CARGO_TARGET_${upper}_RUNNER=$runner"
}

# Compiles build_native, which has the flags and the names, unless it is newer than its source.
native=$tools/build_native
case $host_rust in *-windows-*) native+=.exe ;; esac
compile_native() {
    [ "$native" -nt bindings/build_native.rs ] && return
    [ -n "$host_rust" ] || fail "rustc is missing: install Rust (https://rustup.rs)"
    mkdir -p "$tools"
    # In a new folder, because two targets may be built at the same time.
    local new
    new=$(mktemp -d "$tools/build.XXXXXX")
    rustc --edition 2024 -o "$new/${native##*/}" bindings/build_native.rs &&
        mv "$new/${native##*/}" "$native" && rm -r "$new"
}
