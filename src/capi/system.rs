//! The operating system behind the C functions: the items that need unsafe code, which
//! `src/system/` must not have.

pub(super) use native::{keep_library_loaded, register_fork_handler};

#[cfg(unix)]
mod native {
    use std::ffi::c_int;

    type Handler = Option<extern "C" fn()>;

    unsafe extern "C" {
        fn pthread_atfork(before: Handler, parent: Handler, child: Handler) -> c_int;
    }

    /// Calls the handler in each process that is forked from now on. It must be async-signal-safe.
    pub(in super::super) fn register_fork_handler(handler: extern "C" fn()) {
        // SAFETY: the handler lives as long as the library, and is allowed in a child. If there is
        // no memory to register it, the process id alone has to suffice.
        unsafe { pthread_atfork(None, None, Some(handler)) };
    }

    /// Does nothing: the library is linked such that it stays loaded.
    pub(in super::super) fn keep_library_loaded() {}
}

#[cfg(windows)]
mod native {
    use std::ffi::c_void;
    use std::ptr;

    const GET_MODULE_HANDLE_EX_FLAG_PIN: u32 = 1;
    const GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS: u32 = 4;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetModuleHandleExW(flags: u32, address: *const c_void, module: *mut *mut c_void) -> i32;
    }

    /// Does nothing: this system has no forks.
    pub(in super::super) fn register_fork_handler(_: extern "C" fn()) {}

    /// Keeps the library loaded until the process ends, also after FreeLibrary.
    pub(in super::super) fn keep_library_loaded() {
        static IN_LIBRARY: u8 = 0;
        let address = ptr::from_ref(&IN_LIBRARY).cast();
        let flags = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
        let mut module = ptr::null_mut();
        // SAFETY: the address is in this library, and `module` outlives the call. If it fails, the
        // library can be unloaded like any other.
        unsafe { GetModuleHandleExW(flags, address, &raw mut module) };
    }
}
