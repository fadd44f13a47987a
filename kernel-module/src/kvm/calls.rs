// SPDX-License-Identifier: GPL-2.0

//! Functions of C as safe functions.

/// Makes safe functions of C's that can be called with any values of the given types:
/// what they need of the caller besides is `self`, or a token that proves it. What only
/// some callers may do is private to them. The block's comment says why that is so.
macro_rules! calls {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident(&$this:ident$(, $argument:ident: $kind:ty)*) $(-> $result:ty)?
            = $call:ident;
        $($rest:tt)*
    ) => {
        $crate::kvm::calls::calls! {
            @[&$this] $(#[$meta])* $vis fn $name($this; $($argument: $kind),*)
                $(-> $result)? = $call
        }
        $crate::kvm::calls::calls! { $($rest)* }
    };
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident(&mut $this:ident$(, $argument:ident: $kind:ty)*)
            $(-> $result:ty)? = $call:ident;
        $($rest:tt)*
    ) => {
        $crate::kvm::calls::calls! {
            @[&mut $this] $(#[$meta])* $vis fn $name($this; $($argument: $kind),*)
                $(-> $result)? = $call
        }
        $crate::kvm::calls::calls! { $($rest)* }
    };
    (
        @[$($receiver:tt)*] $(#[$meta:meta])*
        $vis:vis fn $name:ident($this:ident; $($argument:ident: $kind:ty),*)
            $(-> $result:ty)? = $call:ident
    ) => {
        $(#[$meta])*
        #[inline]
        $vis fn $name($($receiver)*, $($argument: $kind),*) $(-> $result)? {
            // SAFETY: As the comment on the macro's use says.
            unsafe {
                $crate::kvm::bindings::$call($this.as_ptr() $(, $argument)*) $(as $result)?
            }
        }
    };
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident($($argument:ident: $kind:ty),*$(; $token:ty)?) $(-> $result:ty)?
            = $call:ident;
        $($rest:tt)*
    ) => {
        $(#[$meta])*
        #[inline]
        $vis fn $name($($argument: $kind,)* $(_: $token)?) $(-> $result)? {
            // SAFETY: As the comment on the macro's use says.
            unsafe { $crate::kvm::bindings::$call($($argument),*) $(as $result)? }
        }
        $crate::kvm::calls::calls! { $($rest)* }
    };
    () => {};
}
pub(crate) use calls;
