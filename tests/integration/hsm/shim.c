/* A PKCS#11 module before another: it does what a plan file says at a call, and passes everything else on.

   Plan: lines "FUNCTION ACTION ARGUMENT NUMBER". From the NUMBER-th call of the function on, ACTION happens:
     answer N       CKR N without the call           once-answer N   the same, at exactly that call
     flip           one bit of the signature         sleep MS        a delay before the call
     kill-before, kill-after   SIGKILL               flags N         C_GetTokenInfo: these flags are set
     cannot-lock    C_Initialize: CKR_CANT_LOCK if locking is asked for
   next-answer N    CKR N at the next call; NUMBER is a serial number, and each is obeyed once a function.

   KYSO_FAULT_MODULE is the module behind, KYSO_FAULT_PLAN the plan, KYSO_FAULT_TRACE gets the name of each call and,
   for what a plan answered, the number. */
#define _GNU_SOURCE
#include <p11-kit/pkcs11.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALL(X) X(Initialize) X(Finalize) X(GetSlotList) X(GetTokenInfo) X(GetMechanismList) X(OpenSession) \
  X(CloseSession) X(CloseAllSessions) X(GetSessionInfo) X(Login) X(FindObjectsInit) X(FindObjects) \
  X(FindObjectsFinal) X(GetAttributeValue) X(SignInit) X(Sign)
#define NUMBER(name) f_##name,
#define NAME(name) "C_" #name,
enum { ALL(NUMBER) FUNCTIONS };
static const char *names[] = {ALL(NAME)};

static CK_FUNCTION_LIST *real, mine;
static int calls[FUNCTIONS], obeyed[FUNCTIONS];
struct step { char action[16]; unsigned long argument; };

static struct step planned(int function) {
  struct step found = {"", 0}; char name[32], action[16]; unsigned long argument; int number;
  int now = __sync_add_and_fetch(&calls[function], 1);
  const char *path = getenv("KYSO_FAULT_PLAN"), *trace = getenv("KYSO_FAULT_TRACE");
  FILE *plan = path ? fopen(path, "r") : NULL;
  while (plan && fscanf(plan, "%31s %15s %li %d", name, action, (long *)&argument, &number) == 4) {
    if (strcmp(name, names[function])) continue;
    if (!strcmp(action, "next-answer")) { if (obeyed[function] == number) continue; obeyed[function] = number; }
    else if (!strcmp(action, "once-answer") ? now != number : now < number) continue;
    strcpy(found.action, strstr(action, "answer") ? "answer" : action); found.argument = argument; break; }
  if (plan) fclose(plan);
  FILE *t = trace ? fopen(trace, "a") : NULL;
  if (t) { fprintf(t, !strcmp(found.action, "answer") ? "%s %s=%#lx\n" : "%s\n", names[function], names[function],
                   found.argument); fclose(t); }
  return found; }

/* Around a call: what a plan may do to any function. The rest stands where it belongs. */
#define AROUND(name, call) struct step s = planned(f_##name); \
  if (!strcmp(s.action, "answer")) return s.argument; \
  if (!strcmp(s.action, "sleep")) usleep(s.argument * 1000); \
  if (!strcmp(s.action, "kill-before")) raise(SIGKILL); \
  CK_RV rv = real->C_##name call; \
  if (!strcmp(s.action, "kill-after")) raise(SIGKILL);
#define PLAIN(name, parameters, call) static CK_RV name parameters { AROUND(name, call) return rv; }

PLAIN(Finalize, (CK_VOID_PTR a), (a))
PLAIN(GetSlotList, (CK_BBOOL t, CK_SLOT_ID_PTR l, CK_ULONG_PTR n), (t, l, n))
PLAIN(GetMechanismList, (CK_SLOT_ID i, CK_MECHANISM_TYPE_PTR l, CK_ULONG_PTR n), (i, l, n))
PLAIN(OpenSession, (CK_SLOT_ID i, CK_FLAGS f, CK_VOID_PTR a, CK_NOTIFY n, CK_SESSION_HANDLE_PTR p), (i, f, a, n, p))
PLAIN(CloseSession, (CK_SESSION_HANDLE h), (h))
PLAIN(CloseAllSessions, (CK_SLOT_ID i), (i))
PLAIN(GetSessionInfo, (CK_SESSION_HANDLE h, CK_SESSION_INFO_PTR i), (h, i))
PLAIN(Login, (CK_SESSION_HANDLE h, CK_USER_TYPE u, CK_UTF8CHAR_PTR p, CK_ULONG n), (h, u, p, n))
PLAIN(FindObjectsInit, (CK_SESSION_HANDLE h, CK_ATTRIBUTE_PTR t, CK_ULONG n), (h, t, n))
PLAIN(FindObjects, (CK_SESSION_HANDLE h, CK_OBJECT_HANDLE_PTR o, CK_ULONG m, CK_ULONG_PTR n), (h, o, m, n))
PLAIN(FindObjectsFinal, (CK_SESSION_HANDLE h), (h))
PLAIN(GetAttributeValue, (CK_SESSION_HANDLE h, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR t, CK_ULONG n), (h, o, t, n))
PLAIN(SignInit, (CK_SESSION_HANDLE h, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE k), (h, m, k))

static CK_RV Sign(CK_SESSION_HANDLE h, CK_BYTE_PTR d, CK_ULONG n, CK_BYTE_PTR o, CK_ULONG_PTR on) {
  AROUND(Sign, (h, d, n, o, on))
  if (rv == CKR_OK && o && !strcmp(s.action, "flip")) o[*on / 2] ^= 1;
  return rv; }
static CK_RV GetTokenInfo(CK_SLOT_ID i, CK_TOKEN_INFO_PTR t) {
  AROUND(GetTokenInfo, (i, t))
  if (!strcmp(s.action, "flags")) t->flags |= s.argument;
  return rv; }
static CK_RV Initialize(CK_VOID_PTR a) {
  struct step s = planned(f_Initialize);
  if (!strcmp(s.action, "answer")) return s.argument;
  if (!strcmp(s.action, "cannot-lock") && a) return CKR_CANT_LOCK;
  return real->C_Initialize(a); }

#define PUT(name) mine.C_##name = name;
CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
  if (!real) {
    void *module = dlopen(getenv("KYSO_FAULT_MODULE"), RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = module ? (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList") : NULL;
    if (!get || get(&real)) return CKR_GENERAL_ERROR;
    mine = *real;
    mine.C_GetFunctionList = C_GetFunctionList;
    ALL(PUT) }
  *list = &mine; return CKR_OK; }
