// SPDX-License-Identifier: MIT

//! Atomic memory access (Volume 1, 2.2.7).

encodings! {
    LL_W: "ll.w" = 0x20000000, "DJSk14";
    SC_W: "sc.w" = 0x21000000, "DJSk14";
    LL_D: "ll.d" = 0x22000000, "DJSk14";
    SC_D: "sc.d" = 0x23000000, "DJSk14";
    SC_Q: "sc.q" = 0x38570000, "DJK", SCQ;
    LLACQ_W: "llacq.w" = 0x38578000, "DJ", LLACQ_SCREL;
    SCREL_W: "screl.w" = 0x38578400, "DJ", LLACQ_SCREL;
    LLACQ_D: "llacq.d" = 0x38578800, "DJ", LLACQ_SCREL;
    SCREL_D: "screl.d" = 0x38578c00, "DJ", LLACQ_SCREL;
    AMCAS_B: "amcas.b" = 0x38580000, "DJK", LAMCAS;
    AMCAS_H: "amcas.h" = 0x38588000, "DJK", LAMCAS;
    AMCAS_W: "amcas.w" = 0x38590000, "DJK", LAMCAS;
    AMCAS_D: "amcas.d" = 0x38598000, "DJK", LAMCAS;
    AMCAS_DB_B: "amcas_db.b" = 0x385a0000, "DJK", LAMCAS;
    AMCAS_DB_H: "amcas_db.h" = 0x385a8000, "DJK", LAMCAS;
    AMCAS_DB_W: "amcas_db.w" = 0x385b0000, "DJK", LAMCAS;
    AMCAS_DB_D: "amcas_db.d" = 0x385b8000, "DJK", LAMCAS;
    AMSWAP_B: "amswap.b" = 0x385c0000, "DJK", LAM_BH;
    AMSWAP_H: "amswap.h" = 0x385c8000, "DJK", LAM_BH;
    AMADD_B: "amadd.b" = 0x385d0000, "DJK", LAM_BH;
    AMADD_H: "amadd.h" = 0x385d8000, "DJK", LAM_BH;
    AMSWAP_DB_B: "amswap_db.b" = 0x385e0000, "DJK", LAM_BH;
    AMSWAP_DB_H: "amswap_db.h" = 0x385e8000, "DJK", LAM_BH;
    AMADD_DB_B: "amadd_db.b" = 0x385f0000, "DJK", LAM_BH;
    AMADD_DB_H: "amadd_db.h" = 0x385f8000, "DJK", LAM_BH;
    AMSWAP_W: "amswap.w" = 0x38600000, "DJK";
    AMSWAP_D: "amswap.d" = 0x38608000, "DJK";
    AMADD_W: "amadd.w" = 0x38610000, "DJK";
    AMADD_D: "amadd.d" = 0x38618000, "DJK";
    AMAND_W: "amand.w" = 0x38620000, "DJK";
    AMAND_D: "amand.d" = 0x38628000, "DJK";
    AMOR_W: "amor.w" = 0x38630000, "DJK";
    AMOR_D: "amor.d" = 0x38638000, "DJK";
    AMXOR_W: "amxor.w" = 0x38640000, "DJK";
    AMXOR_D: "amxor.d" = 0x38648000, "DJK";
    AMMAX_W: "ammax.w" = 0x38650000, "DJK";
    AMMAX_D: "ammax.d" = 0x38658000, "DJK";
    AMMIN_W: "ammin.w" = 0x38660000, "DJK";
    AMMIN_D: "ammin.d" = 0x38668000, "DJK";
    AMMAX_WU: "ammax.wu" = 0x38670000, "DJK";
    AMMAX_DU: "ammax.du" = 0x38678000, "DJK";
    AMMIN_WU: "ammin.wu" = 0x38680000, "DJK";
    AMMIN_DU: "ammin.du" = 0x38688000, "DJK";
    AMSWAP_DB_W: "amswap_db.w" = 0x38690000, "DJK";
    AMSWAP_DB_D: "amswap_db.d" = 0x38698000, "DJK";
    AMADD_DB_W: "amadd_db.w" = 0x386a0000, "DJK";
    AMADD_DB_D: "amadd_db.d" = 0x386a8000, "DJK";
    AMAND_DB_W: "amand_db.w" = 0x386b0000, "DJK";
    AMAND_DB_D: "amand_db.d" = 0x386b8000, "DJK";
    AMOR_DB_W: "amor_db.w" = 0x386c0000, "DJK";
    AMOR_DB_D: "amor_db.d" = 0x386c8000, "DJK";
    AMXOR_DB_W: "amxor_db.w" = 0x386d0000, "DJK";
    AMXOR_DB_D: "amxor_db.d" = 0x386d8000, "DJK";
    AMMAX_DB_W: "ammax_db.w" = 0x386e0000, "DJK";
    AMMAX_DB_D: "ammax_db.d" = 0x386e8000, "DJK";
    AMMIN_DB_W: "ammin_db.w" = 0x386f0000, "DJK";
    AMMIN_DB_D: "ammin_db.d" = 0x386f8000, "DJK";
    AMMAX_DB_WU: "ammax_db.wu" = 0x38700000, "DJK";
    AMMAX_DB_DU: "ammax_db.du" = 0x38708000, "DJK";
    AMMIN_DB_WU: "ammin_db.wu" = 0x38710000, "DJK";
    AMMIN_DB_DU: "ammin_db.du" = 0x38718000, "DJK";
}
